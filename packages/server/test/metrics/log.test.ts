import { jsonLog } from '@holdfast/server';
import { expect, test } from 'vitest';

function lines(level: 'info' | 'error' | 'silent', run: (log: ReturnType<typeof jsonLog>) => void) {
  const written: string[] = [];
  run(jsonLog((line) => void written.push(line), level));
  return written.map((line) => JSON.parse(line) as { readonly [field: string]: unknown });
}

test('S10 no token gets into a line of the log, be it in an error, a URL or a field', () => {
  const secret = `hf_tok_${'a'.repeat(30)}`;
  const [line] = lines('info', (log) => {
    log.error(
      { err: new Error(`no answer from wss://h/ws?token=${secret}`), token: secret },
      `Authorization: Bearer ${secret}`,
    );
  });
  expect(JSON.stringify(line)).not.toContain(secret);
  expect(line).toMatchObject({
    level: 'error',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    message: expect.stringContaining('[redacted]'),
    err: { type: 'Error', stack: expect.any(String) },
  });
});

function both(log: ReturnType<typeof jsonLog>): void {
  log.info({}, 'calm');
  log.error({}, 'alarm');
}

test('what is below the level is not written', () => {
  expect(lines('info', both).length).toBe(2);
  expect(lines('error', both)).toMatchObject([{ message: 'alarm' }]);
  expect(lines('silent', both)).toEqual([]);
});

test('what failed is an object in every line, also where it is told in words', () => {
  const told = lines('info', (log) => {
    log.error({ err: 'There is no space left.' }, 'append failed');
    log.error({ err: new Error('no answer') }, 'a request failed');
  });
  expect(told).toMatchObject([
    { err: { message: 'There is no space left.' } },
    { err: { message: 'no answer', stack: expect.any(String) } },
  ]);
});
