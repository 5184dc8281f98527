import { type RowOp, withOps } from '@holdfast/engine/collection';
import { jsonCodec, type Path, record } from '@holdfast/protocol';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { flood } from '../catch-up/ride.ts';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { opsIn } from '../conversation/talk.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { person, write } from './site.ts';

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: z.object({ rank: z.number(), text: z.string() }),
});

const silent = { last_store_seq: 0, patterns: [] };
const some = { orderBy: 'rank', limit: 2 };

function rules(...patterns: readonly string[]) {
  return patterns.map((pattern) => ({ pattern, allow: ['read'] as const }));
}

/** A server of four notes, ranked as they are named. */
async function site(more: Parameters<typeof world>[0] = {}) {
  const people = {
    ann: person('ann'),
    bob: person('bob', { pathRules: rules('notes/**') }),
  };
  const made = await world({ authenticate: principals(people), ...more });
  made.server.record(Note);
  const writer = await made.joined({ device: 'writer' }, silent);
  for (const rank of [1, 2, 3, 4]) {
    await write(writer, { op: 'set', path: `notes/${rank}`, value: { rank, text: '' } });
  }
  return { ...made, writer };
}

async function open(peer: Peer, spec: object, sub = 'q'): Promise<void> {
  await peer.ask(topic, 'query_open', { sub, record: 'note', spec });
  await peer.until(([, , , event]) => event === 'query_delta');
}

async function viewer({ joined }: World, device: string, spec: object = some): Promise<Peer> {
  const peer = await joined({ token: 'ann', device }, silent);
  await open(peer, spec);
  return peer;
}

/** All that somebody was told before the answer to a question. */
async function told(peer: Peer): Promise<string> {
  await peer.ask(topic, 'scope', {});
  const heard = peer.heard.filter(([, , , event]) => event === 'events' || event === 'query_delta');
  return JSON.stringify(heard.map(([, , , , payload]) => payload));
}

type Delta = {
  readonly rows?: readonly Path[];
  readonly ops?: readonly RowOp[];
  readonly entries: readonly (readonly [path: string, value: unknown])[];
};

/** The rows that somebody has after all that it was told, each with its rank and the beginning of its text. */
function held({ heard }: Peer): readonly (readonly unknown[])[] {
  let shown: readonly Path[] = [];
  const leaves = new Map<string, unknown>();
  for (const frame of heard) {
    for (const { path, value } of opsIn([frame])) leaves.set(path, value);
    if (frame[3] !== 'query_delta') continue;
    const { rows, ops = [], entries } = frame[4] as Delta;
    shown = rows ?? withOps(shown, ops);
    for (const [path, value] of entries) leaves.set(path, value);
  }
  const textOf = (row: Path): string => String(leaves.get(`${row}/text`)).slice(0, 10);
  return shown.map((row) => [row, leaves.get(`${row}/rank`), textOf(row)]);
}

/** How often an event was written out as JSON. */
function encodings(event: string): number {
  const frames = vi.mocked(jsonCodec.encode).mock.calls.map(([frame]) => frame);
  return frames.filter((frame) => Array.isArray(frame) && frame[3] === event).length;
}

test('what all who have the same query open are told of a commit is projected and encoded once', async () => {
  const made = await site();
  const viewers: Peer[] = [];
  for (let n = 0; n < 50; n += 1) viewers.push(await viewer(made, `viewer-${n}`));
  const encode = vi.spyOn(jsonCodec, 'encode');
  onTestFinished(() => encode.mockRestore());

  // A row that stays where it is: they hear of the write alone.
  await write(made.writer, { op: 'set', path: 'notes/1/text', value: 'new' });
  expect(await Promise.all(viewers.map(told))).toEqual(
    viewers.map(() => expect.stringContaining('"new"')),
  );
  expect(encodings('events')).toBe(1);

  encode.mockClear();
  // Another row comes in: they hear of the window, and of what it holds.
  await write(made.writer, { op: 'set', path: 'notes/4/rank', value: 0 });
  expect(await Promise.all(viewers.map(told))).toEqual(
    viewers.map(() => expect.stringContaining('["ins","notes/4",null]')),
  );
  expect(encodings('query_delta')).toBe(1);
});

test('of those who had the same queries open, each goes on with its own: who has closed one, who has opened another, who came later', async () => {
  const made = await site();
  const [first, second, third] = [
    await viewer(made, 'first'),
    await viewer(made, 'second'),
    await viewer(made, 'third'),
  ];
  await second.ask(topic, 'query_close', { sub: 'q' });
  await open(third, { ...some, orderBy: [['rank', 'desc']] }, 'last');
  const late = await viewer(made, 'late');
  // Whoever came first need not be the last.
  first.cut();
  await write(made.writer, { op: 'set', path: 'notes/1/text', value: 'of the first' });
  await write(made.writer, { op: 'set', path: 'notes/4/text', value: 'of the last' });
  await write(made.writer, { op: 'set', path: 'notes/2/rank', value: 9 });
  await write(made.writer, { op: 'set', path: 'notes/3/text', value: 'of the new' });
  await write(made.writer, { op: 'set', path: 'notes/2/text', value: 'of the gone' });
  const texts = /of the \w+/g;
  const heard = [second, third, late].map(async (peer) => (await told(peer)).match(texts));
  expect(await Promise.all(heard)).toEqual([
    null,
    ['of the first', 'of the last', 'of the new', 'of the gone'],
    ['of the first', 'of the new'],
  ]);
});

test('who has the same query open and may read other things besides is told of its own', async () => {
  const made = await site();
  const [ann, bob] = [
    await made.joined({ token: 'ann', device: 'a' }, { last_store_seq: 0, patterns: ['other/**'] }),
    await made.joined({ token: 'bob', device: 'b' }, silent),
  ];
  for (const peer of [ann, bob]) await open(peer, some);
  expect(made.server.describe().queries).toBe(1);
  await write(made.writer, { op: 'set', path: 'other/a', value: 'beside' });
  await write(made.writer, { op: 'set', path: 'notes/1/text', value: 'a row' });
  expect(await told(ann)).toContain('beside');
  expect(await told(ann)).toContain('a row');
  expect(await told(bob)).not.toContain('beside');
  expect(await told(bob)).toContain('a row');
});

test('who is too slow for what others hear of the same query has what they have once it reads on', async () => {
  const limits = { socket_soft_bytes: 64 * 1024, socket_hard_bytes: 512 * 1024 };
  const made = await site({ clock: new VirtualClock(), limits });
  const { server, writer } = made;
  const [slow, quick] = [await viewer(made, 'slow'), await viewer(made, 'quick')];
  slow.pause();
  // The second row goes, is changed while it is away, and comes back.
  for (const [rank, text] of [
    [9, 'away'],
    [0, 'back'],
  ] as const) {
    // More than the kernel buffers between two sockets on one machine.
    const much = 'x'.repeat(40_000);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await flood(
      writer,
      300,
      () => 'notes/1/text',
      (n) => `${text} ${n} ${much}`,
    );
    // oxlint-disable-next-line no-await-in-loop -- the same
    await write(writer, { op: 'set', path: 'notes/2/rank', value: rank });
    // oxlint-disable-next-line no-await-in-loop -- the same
    await write(writer, { op: 'set', path: 'notes/2/text', value: text });
  }
  const shown = [
    ['notes/2', 0, 'back'],
    ['notes/1', 1, 'back 299 x'],
  ];
  await expect.poll(() => held(quick)).toEqual(shown);
  expect(server.describe().unsentBytes).toBeGreaterThan(0);
  slow.resume();
  await expect.poll(() => held(slow)).toEqual(shown);
});
