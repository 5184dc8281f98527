import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readPage } from './pages.ts';

/** A row of the table of threats that names no test, or one that is not there. */
function unproven(text: string): readonly string[] {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:threat|-)/.test(line));
  return rows.flatMap((row) => {
    const [, threat = '', , tried = ''] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const proofs = [...tried.matchAll(/\]\(([\w./-]+\.test\.ts)\)((?:;? "[^"]+")+)/g)];
    if (proofs.length === 0) return [`${threat}: names no test`];
    return proofs.flatMap(([, file = '', titles = '']) =>
      [...titles.matchAll(/"([^"]+)"/g)]
        .filter(
          ([, title = '']) => !existsSync(file) || !readFileSync(file, 'utf8').includes(title),
        )
        .map(([, title = '']) => `${threat}: ${file} has no test "${title}"`),
    );
  });
}

test('every threat of SECURITY.md is tried by a test that exists', () => {
  const { text } = readPage('SECURITY.md');
  expect(text.match(/^\| [A-Z]/gm)?.length).toBeGreaterThan(15);
  expect(unproven(text)).toEqual([]);
});

test('a threat without a test is found, and one whose test has gone', () => {
  const text = [
    '| threat | what stands against it | tried by |',
    '| Theft | a lock | nobody |',
    '| Fire | water | [tidy](tools/tidy.test.ts) "nobody tries this"',
    '| Flood | a dam | [gone](tools/gone.test.ts) "a threat" |',
    '| Wind | a wall | [security](tools/security.test.ts) "a threat without a test is found" |',
  ].join('\n');
  expect(unproven(text)).toEqual([
    'Theft: names no test',
    'Fire: tools/tidy.test.ts has no test "nobody tries this"',
    'Flood: tools/gone.test.ts has no test "a threat"',
  ]);
});
