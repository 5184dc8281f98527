import { existsSync, writeFileSync } from 'node:fs';
import { acceptancePage } from './acceptance.ts';
import { readProofs } from './citations.ts';
import { replayConversations } from './conversations.ts';
import { promisesOf, proofList } from './guarantees.ts';
import { essence, fill, readPage } from './pages.ts';
import { figureTable, limitTable, refusalTable } from './tables.ts';

/** Every page with generated parts, as it should be now. */
export async function freshPages(): Promise<ReadonlyMap<string, string>> {
  const proofs = readProofs();
  const guarantees = readPage('docs/guarantees.md');
  const protocol = fill(readPage('docs/protocol.md').text, 'refusals', refusalTable());
  return new Map([
    ['README.md', fill(readPage('README.md').text, 'figures', figureTable())],
    ['docs/acceptance.md', acceptancePage(proofs)],
    [guarantees.file, fill(guarantees.text, 'proofs', proofList(promisesOf(guarantees), proofs))],
    ['docs/protocol.md', await replayConversations(fill(protocol, 'limits', limitTable()))],
  ]);
}

// `npm run docs`
if (import.meta.main) {
  for (const [file, text] of await freshPages()) {
    if (existsSync(file) && essence(readPage(file).text) === essence(text)) continue;
    writeFileSync(file, text);
    console.log(`wrote ${file}`);
  }
}
