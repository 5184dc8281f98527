import { asPath, type Op } from '@holdfast/protocol';
import { expect, it } from 'vitest';
import type { Logged } from '../src/world.ts';
import { all, type Card, questions, storeName } from './card.ts';
import { Judge } from './judge.ts';
import { Reader } from './reader.ts';

const calmAt = 10_000;
const viewer = { subject: 'eve', granted: [{ at: 0, rights: all }] };

/** What may come after the events. */
type After = {
  readonly told: (window: object) => void;
  readonly close: (at: number) => void;
};

/** What takes a client to a commit. */
type Reached = { readonly event: string; readonly payload: object };

const events: Reached = { event: 'events', payload: { from_seq: 1, to_seq: 2, ops: [] } };
const state: Reached = {
  event: 'snapshot_end',
  payload: { id: 's', seq: 2, chunks: 1, entries: 2 },
};

/** What is wrong where a window changes, and what reaches that commit comes without the step that says so. */
function wrongWith(
  after: (by: After) => void,
  { event, payload }: Reached = events,
): readonly string[] {
  let now = calmAt + 200;
  const reader = new Reader(() => now);
  const told = (window: object): void => {
    const rest = { sub: 'q1', entries: [], maps: [], has_more: false };
    reader.heard(frame(null, 'query_delta', { ...rest, ...window }));
  };
  const query = questions.find(({ name }) => name === 'not y')?.def.query;
  const spec = { where: query?.where, orderBy: query?.orderBy, limit: 3 };
  reader.sent(frame('2', 'query_open', { sub: 'q1', record: 'card', spec }));
  reader.heard(frame('2', 'phx_reply', { status: 'ok', response: {} }));
  told({ at: 1, reset: true, rows: ['cards/a'], end_cursor: endAtA });
  reader.heard(frame(null, event, payload));
  const close = (at: number): void => {
    now = at;
    reader.sent(frame('3', 'query_close', { sub: 'q1' }));
  };
  after({ told, close });
  const log = [made(1, 'a', { tag: 'x', n: 1 }), made(2, 'b', { tag: 'odd', n: 1 })];
  const judge = new Judge(new Map([['', log]]), calmAt);
  return reader.subs.flatMap((each) => judge.judge('eve', viewer, each).wrong);
}

const endAtA = encodeURIComponent(JSON.stringify([0, [['x'], [1]], 'cards/a']));

function frame(ref: string | null, event: string, payload: object): string {
  return JSON.stringify([ref && '1', ref, `store:${storeName}`, event, payload]);
}

/** A card that is made at a seq. */
function made(seq: number, id: string, card: Card): Logged {
  const clientOpId = `ann:s:${seq}`;
  const op = { ...blank, seq, path: asPath(`cards/${id}`), value: { ...card }, clientOpId };
  return { op, at: seq };
}

const blank = {
  op: 'set',
  arg: null,
  deviceId: 'ann',
  at: 0,
  principal: null,
  tx: null,
  removed: [],
} as const satisfies Partial<Op> & { readonly removed: readonly never[] };

it('events without their step are wrong, unless a reset makes up for them', () => {
  expect(wrongWith(() => undefined)).toEqual([expect.stringContaining('"rows":["a"]')]);
  const reset = { at: 2, reset: true, rows: ['cards/b', 'cards/a'], end_cursor: endAtA };
  expect(wrongWith(({ told }) => told(reset))).toEqual([]);
});

it('a state in place of events is wrong without their step, unless a reset makes up for it', () => {
  expect(wrongWith(() => undefined, state)).toEqual([expect.stringContaining('by snapshot')]);
  const step = { at: 2, ops: [['ins', 'cards/b', null]], end_cursor: endAtA };
  expect(wrongWith(({ told }) => told(step), state)).toHaveLength(1);
  const reset = { at: 2, reset: true, rows: ['cards/b', 'cards/a'], end_cursor: endAtA };
  expect(wrongWith(({ told }) => told(reset), state)).toEqual([]);
});

it('whoever closes a query is not told any more what makes up for events that just came', () => {
  expect(wrongWith(({ close }) => close(calmAt + 202))).toEqual([]);
  expect(wrongWith(({ close }) => close(calmAt + 60_000))).toHaveLength(1);
});
