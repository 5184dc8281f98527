import { passSchema, record, type StandardSchema } from '@holdfast/protocol';
import { passRecord } from '@holdfast/protocol/record';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';

/** A schema that says something else than its type does, as one written by hand may. */
const saying = (validate: (value: unknown) => unknown): StandardSchema<never> => ({
  '~standard': { version: 1, vendor: 'test', validate: validate as () => never },
});

const throwing = (error: unknown) =>
  saying(() => {
    throw error;
  });

const mute = {
  toString(): string {
    throw new Error('it has no text');
  },
};

/** Its message cannot be read. */
const veiled = Object.defineProperty(new Error('x'), 'message', {
  get: () => {
    throw new Error('it has no message');
  },
});

test.each<[string, unknown]>([
  ['nothing', undefined],
  ['an object without a prototype', Object.create(null)],
  ['what cannot be made a text', mute],
  ['an error whose message throws', veiled],
  ['an error whose message is none', Object.assign(new Error('x'), { message: mute })],
])('R57 a schema that throws %s has not let the value pass, and nothing is thrown', (_, error) => {
  expect(passSchema(throwing(error), {})).toMatchObject({ issue: expect.any(String) });
});

test.each<[string, unknown]>([
  ['no list', 'bad'],
  ['nothing in it', [null]],
  ['a message that is no text', [{ message: mute }]],
  ['a path that is none', [{ message: 'x', path: 7 }]],
  ['a step that is none', [{ message: 'x', path: [{ key: mute }] }]],
])('R57 issues that are %s are issues nevertheless', (_, issues) => {
  expect(
    passSchema(
      saying(() => ({ issues })),
      {},
    ),
  ).toMatchObject({ issue: expect.any(String) });
});

test('R95 what may be waited for is no answer, whoever made the promise', () => {
  const value = { n: 1 };
  const ready = Promise.resolve({ value });
  // oxlint-disable-next-line unicorn/no-thenable -- it is to be one
  const foreign = { then: ready.then.bind(ready) };
  expect(
    passSchema(
      saying(() => foreign),
      value,
    ),
  ).toMatchObject({
    issue: 'the schema is asynchronous',
  });
  const schema = saying((given) => (given === undefined ? { value } : foreign));
  const Late = record({ name: 'late', store: 'a/b', path: 'late/:id', version: '1.0', schema });
  expect(passRecord(Late, value)).toMatchObject({ issue: 'the schema is asynchronous' });
  expect(() =>
    record({
      name: 'later',
      store: 'a/b',
      path: 'later/:id',
      version: '1.0',
      schema: saying(() => foreign),
    }),
  ).toThrow(expect.objectContaining({ code: 'async_schema' }));
});

test("how a promise of another realm ends is nobody's, and no rejection without an owner", async () => {
  const heard: unknown[] = [];
  const hear = (error: unknown): unknown => heard.push(error);
  process.on('unhandledRejection', hear);
  onTestFinished(() => void process.off('unhandledRejection', hear));
  const late = saying(() => runInNewContext('Promise.reject(7)'));
  expect(passSchema(late, {})).toMatchObject({ issue: 'the schema is asynchronous' });
  // What nobody owns is told of when a turn ends.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([]);
});

test('of ten thousand issues the first hundred are told', () => {
  const all = Array.from({ length: 10_000 }, (_, at) => ({ message: `No. ${at}`, path: [at] }));
  const passed = passSchema(
    saying(() => ({ issues: all })),
    [],
  );
  expect(passed).toEqual({ issue: 'No. 0', issues: all.slice(0, 100) });
});
