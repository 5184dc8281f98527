import { record, type StandardSchema } from '@holdfast/protocol';
import { storedForm } from '@holdfast/protocol/record';
import { expect, test } from 'vitest';

type Shown = { n: number; list: number[] };
type Given = { n: string; list: string[] };

/** Makes numbers of texts, in what it is given. */
function inPlace(value: unknown): { readonly value: Shown } | { issues: { message: string }[] } {
  const given = value as { n: unknown; list: unknown[] };
  if (Number.isNaN(Number(given.n))) return { issues: [{ message: 'no number' }] };
  given.n = Number(given.n);
  given.list.forEach((each, at) => (given.list[at] = Number(each)));
  return { value: given as Shown };
}

const schema: StandardSchema<Shown, Given> = {
  '~standard': { version: 1, vendor: 'own', validate: inPlace },
};
const Rows = record({
  name: 'rows',
  store: 'acme/app',
  path: 'rows/:id',
  version: '1.0',
  schema,
  stored: 'input',
});

test('of a schema that changes what it is given, in place, the input is stored as it was given (records.md §3.4)', () => {
  const { stored, shown } = storedForm(Rows, { n: '5', list: ['6'] });
  expect(stored).toEqual({ n: '5', list: ['6'] });
  expect(shown).toEqual({ n: 5, list: [6] });
});

const run = (): undefined => undefined;

test('what a schema has against an input is told before what no store can hold of it', () => {
  expect(() => storedForm(Rows, { n: 'x', list: [], run })).toThrow('no number');
  expect(() => storedForm(Rows, { n: '5', list: [], run })).toThrow(/function|run/);
});
