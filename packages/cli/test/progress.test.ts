import { expect, test } from 'vitest';
import { Output } from '../src/output.ts';
import { Progress } from '../src/progress.ts';

/** What is written to standard error of a task of ten million things that come a hundred at a time. */
function shown({ isTTY }: { readonly isTTY: boolean }): readonly string[] {
  const written: string[] = [];
  const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  const terminal = { env: {}, stdin: (async function* () {})(), stdout: stream, stderr: stream };
  const output = new Output(terminal, { json: false });
  const progress = new Progress({ terminal, output }, { label: 'x', total: 10_000_000 });
  for (let done = 100; done <= 10_000_000; done += 100) progress.show(done);
  return written;
}

test('a long task is shown in a hundred lines to a program, and in a thousand steps on a terminal, its end among them', () => {
  const lines = shown({ isTTY: false });
  expect(lines).toHaveLength(101);
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    progress: { label: 'x', done: 100, total: 10_000_000 },
  });
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ progress: { done: 10_000_000 } });
  const steps = shown({ isTTY: true });
  expect(steps).toHaveLength(1001);
  expect(steps.at(-1)).toContain('100 %');
  expect(steps.at(-1)?.endsWith('\n')).toBe(true);
});
