import { type Gate, Scope } from '@holdfast/engine/data';
import { asPath, defaultLimits, refuse, type Write } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { glob } from '../replica/query-desk.ts';
import { Desk, lease, reasonOf, remove, set, transact } from './desk.ts';

const caller = { principal: { subject: 'eve' }, isExempt: false, veil: null };
const leaves = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`f${at}`, at]));
const sets = (count: number): Write[] =>
  Array.from({ length: count }, (_, at) => set(`r/${at}`, leaves));

const anew = { op: 'set', path: asPath('r'), value: 1 } as const;

test('a transaction writes a hundred thousand leaves together and no more, but that of the server’s code', () => {
  const desk = new Desk();
  const beyond = desk.ask(transact([...sets(10), set('one', 1)]), { caller });
  expect(beyond).toMatchObject({ code: 'too_many_leaves' });
  expect(beyond).toMatchObject({ details: { limit: 100_000, op_index: 10 } });
  expect(desk.committed).toEqual([]);
  expect(reasonOf(desk.ask(transact(sets(10)), { caller }))).toBeNull();
  // The next request begins anew.
  expect(reasonOf(desk.ask(transact(sets(2)), { caller }))).toBeNull();
  expect(reasonOf(desk.ask(transact([...sets(10), set('one', 1)])))).toBeNull();
});

test('where a single write may have more leaves, a transaction may have more in the same measure', () => {
  const limits = { ...defaultLimits, max_leaves_per_write: 10_001 };
  const desk = new Desk({ limits });
  expect(reasonOf(desk.ask(transact([...sets(10), set('one', 1)]), { caller }))).toBeNull();
  const beyond = desk.ask(transact(sets(11)), { caller });
  expect(beyond).toMatchObject({ details: { limit: 100_010, op_index: 10 } });
});

test('what the mutations of a transaction write counts as what its other ops do', () => {
  const writes = Object.keys(leaves).map((key) => set(`m/${key}`, 1));
  const gate: Gate = {
    mutate: () => writes,
    screen: () => null,
    judge: () => [],
    migrate: () => [],
  };
  const desk = new Desk({ gate });
  const mutate = { op: 'mutate', path: asPath('m'), record: 'm', name: 'n', value: null } as const;
  const ask = (mutations: number) => {
    const ops = [...Array.from({ length: mutations }, () => mutate), ...sets(6)];
    return desk.ask({ op: 'transact', ops, preconditions: [] }, { caller });
  };
  expect(ask(5)).toMatchObject({ code: 'too_many_leaves', details: { op_index: 4 } });
  expect(reasonOf(ask(4))).toBeNull();
});

test('requests that are refused after a look through many leaves are not decided at one go', () => {
  const desk = new Desk();
  for (let group = 0; group < 3; group += 1) desk.ask(set(`r/${group}`, leaves));
  desk.ask(lease('r/lease'));
  const ways = [remove('r'), transact([remove('r/0'), remove('r')]), set('r', 1)];
  const tickets = ways.map((each) => desk.submit(each));
  tickets.push(desk.submit(set('small', 1)));
  const refused = tickets.map((ticket) => {
    const effects = desk.step({ type: 'flush' });
    return [effects.map(({ type }) => type), desk.replies.has(ticket)];
  });
  const one = [['reply', 'collect'], true];
  expect(refused).toEqual([one, one, one, [['append'], false]]);
  desk.stored();
  expect(tickets.map((ticket) => reasonOf(desk.reply(ticket)))).toEqual([
    'held',
    'held',
    'held',
    null,
  ]);
});

test('repeats of what wrote many leaves look at none, and keep no others from being stored together', () => {
  const desk = new Desk();
  const ids = Array.from({ length: 6 }, (_, at) => ({ opId: `d1:s1:${at}`, deviceId: 'd1' }));
  for (const id of ids) desk.ask(set('r', leaves), id);
  for (const [at, id] of ids.entries()) {
    desk.submit(set('r', leaves), { ...id, channel: 2 });
    desk.submit(set(`small/${at}`, 1));
  }
  const before = desk.effects.length;
  desk.flush();
  const appends = desk.effects.slice(before).filter(({ type }) => type === 'append');
  expect(appends).toHaveLength(1);
});

test('what a guard, or the rate of who asks, refuses at once looks at no leaves either', () => {
  const desk = new Desk();
  for (let group = 0; group < 3; group += 1) desk.ask(set(`r/${group}`, leaves));
  const limited = refuse('rate_limited', { retry_after_ms: 1 });
  desk.submit({ ...anew, ifMatch: 1 });
  desk.submit({ ...anew, ifAbsent: true });
  desk.submit({ ...anew, fence: { key: asPath('job'), token: 1 } });
  desk.submit(transact([{ ...anew, ifMatch: 1 }]));
  desk.submit(set('r', 1), { rate: () => limited, channel: 2 });
  const small = desk.submit(set('small', 1), { channel: 3 });
  const effects = desk.step({ type: 'flush' }).map(({ type }) => type);
  expect(effects).toContain('append');
  desk.stored();
  expect(reasonOf(desk.reply(small))).toBeNull();
});

test('what a guard refuses to who may write a part only may have been looked through before', () => {
  const desk = new Desk();
  for (let group = 0; group < 3; group += 1) desk.ask(set(`r/${group}`, leaves));
  const part = new Scope([glob('r/**')]);
  const grants = { read: part, write: part };
  desk.submit({ ...anew, ifMatch: 1 }, { grants });
  desk.submit(set('small', 1), { channel: 3 });
  expect(desk.step({ type: 'flush' }).map(({ type }) => type)).not.toContain('append');
});

test('what the code of a mutation refuses as a guard does may have been looked through before', () => {
  const desk = new Desk({
    gate: {
      mutate: () => refuse('conflict'),
      screen: () => null,
      judge: () => [],
      migrate: () => [],
    },
  });
  for (let group = 0; group < 3; group += 1) desk.ask(set(`r/${group}`, leaves));
  const mutate = { op: 'mutate', path: asPath('m'), record: 'm', name: 'n', value: null } as const;
  desk.submit({ op: 'transact', ops: [remove('r'), mutate], preconditions: [] }, { caller });
  desk.submit(set('small', 1), { channel: 3 });
  expect(desk.step({ type: 'flush' }).map(({ type }) => type)).not.toContain('append');
});

test('mutations that look at many leaves are not decided at one go, whether they write or not', () => {
  const desk = new Desk({
    gate: {
      mutate: ({ request }) => (request.name === 'write' ? [set('r/at', 1)] : []),
      screen: () => null,
      judge: () => [],
      migrate: () => [],
    },
  });
  for (let group = 0; group < 3; group += 1) desk.ask(set(`r/${group}`, leaves));
  const mutate = { op: 'mutate', path: asPath('r'), record: 'r', value: null } as const;
  const tickets = ['look', 'write'].map((name) => desk.submit({ ...mutate, name }, { caller }));
  tickets.push(desk.submit(set('small', 1)));
  const [looked, wrote] = tickets.map(() => desk.step({ type: 'flush' }).map(({ type }) => type));
  expect(looked).toEqual(['reply', 'collect']);
  expect(wrote).toEqual(['append']);
  expect(desk.effects.at(-1)).toMatchObject({ content: { answers: { length: 1 } } });
});
