// A process that appends until it is killed; the tests start it, see `sqlite-process.test.ts`.
import { once } from 'node:events';
import { sqlite } from '../../src/storage/sqlite.ts';
import { batchOf, opsAfter } from '../../src/storage/conformance/subject.ts';

const [, , directory = '', id = '', mode = ''] = process.argv;
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Appends small batches for ever and says each acknowledged head. */
async function write(): Promise<void> {
  const storage = sqlite({ directory });
  let head = (await storage.open(id))?.head ?? 0;
  for (;;) {
    const batch = batchOf(opsAfter(head, 3));
    // oxlint-disable-next-line no-await-in-loop -- one append follows the other
    const result = await storage.append(id, head, batch);
    if (result.status !== 'stored') throw new Error(JSON.stringify(result));
    head += 3;
    say(String(head));
  }
}

/** Appends until the limit of file size is hit, has it lifted by the parent, and goes on. */
async function fill(): Promise<void> {
  const storage = sqlite({ directory });
  let head = 0;
  const append = async (): Promise<string> => {
    const result = await storage.append(id, head, batchOf(opsAfter(head, 100)));
    if (result.status === 'stored') head += 100;
    return result.status === 'failed' ? `failed: ${result.message}` : result.status;
  };
  let status = 'stored';
  // oxlint-disable-next-line no-await-in-loop -- one append follows the other
  while (status === 'stored') status = await append();
  say(status);
  say(String((await storage.open(id))?.head === head));
  await once(process.stdin, 'data');
  process.stdin.destroy();
  say(await append());
  await storage.close();
  say(String(head));
}

await (mode === 'fill' ? fill() : write());
