import { jsonCodec, record } from '@holdfast/protocol';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
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
async function site() {
  const people = {
    ann: person('ann'),
    bob: person('bob', { pathRules: rules('notes/**') }),
  };
  const made = await world({ authenticate: principals(people) });
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
