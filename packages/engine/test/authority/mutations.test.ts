import type { Gate } from '@holdfast/engine/data';
import { asPath, type Transaction } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Desk, reasonOf, set } from './desk.ts';

/** A gate whose mutations change nothing, and cost nothing. */
const gate: Gate = { mutate: () => [], screen: () => null, judge: () => [], migrate: () => [] };
const caller = { principal: { subject: 'eve' }, isExempt: false, veil: null };
const leaves = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`f${at}`, at]));

function mutations(count: number, id = '1'): Transaction['ops'] {
  const path = asPath(`r/${id}`);
  return Array.from({ length: count }, () => ({
    op: 'mutate',
    path,
    record: 'r',
    name: 'm',
    value: null,
  }));
}

test('the mutations of one request look at a million leaves together and no more, but those of the server’s code', () => {
  const desk = new Desk({ gate });
  desk.ask(set('r/1', leaves));
  desk.ask(set('r/2', { n: 1 }));
  const ask = (ops: Transaction['ops'], more: object) =>
    desk.ask({ op: 'transact', ops, preconditions: [] }, more);
  expect(reasonOf(ask(mutations(100), { caller }))).toBeNull();
  const beyond = ask([...mutations(100), ...mutations(1, '2')], { caller });
  expect(beyond).toMatchObject({ code: 'too_many_leaves' });
  expect(beyond).toMatchObject({ details: { limit: 1_000_000, op_index: 100 } });
  expect(reasonOf(ask(mutations(101), {}))).toBeNull();
  // The next request begins anew.
  expect(reasonOf(ask(mutations(1), { caller }))).toBeNull();
});
