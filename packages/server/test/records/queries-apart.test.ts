import { record, type RecordContext } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { person } from './site.ts';

const Note = record({
  name: 'note',
  store: 'demo/main',
  path: 'notes/:id',
  version: '1.0',
  schema: z.object({ owner: z.string(), text: z.string() }),
});

const silent = { last_store_seq: 0, patterns: [] };

/** A server whose notes only their owners may read; `asked` is of whom the rule was asked. */
async function site(more: Parameters<typeof world>[0] = {}) {
  const made = await world({
    authenticate: principals({ alice: person('alice'), eve: person('eve') }),
    ...more,
  });
  const asked: (string | null)[] = [];
  const notes = made.server.record(Note, {
    read: ({ principal }, _, { owner }) => {
      asked.push(principal.subject);
      return owner === principal.subject;
    },
  });
  for (const owner of ['alice', 'eve']) {
    await notes.write({ id: owner }, { set: { owner, text: '' } });
  }
  return { ...made, notes, asked };
}

async function opened({ joined }: World, name: string): Promise<Peer> {
  const peer = await joined({ token: name, device: name }, silent);
  const spec = { where: { owner: name } };
  await peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec });
  await peer.until(([, , , event]) => event === 'query_delta');
  return peer;
}

test.for([
  ['alice', 'eve'],
  ['eve', 'alice'],
] as const)(
  'R219 R182 of queries on two sockets, each hears of its own rows only: %s came first',
  async ([first, second]) => {
    const made = await site();
    const peers = [await opened(made, first), await opened(made, second)] as const;
    for (const id of [first, second]) {
      await made.notes.write({ id }, { patch: { text: `of ${id}` } });
    }
    for (const [at, name] of [first, second].entries()) {
      const peer = peers[at];
      await peer?.ask(topic, 'scope', {});
      const heard = JSON.stringify(peer?.heard);
      expect(heard).toContain(`of ${name}`);
      expect(heard).not.toContain(`of ${name === first ? second : first}`);
    }
  },
);

/** A write of its own that waits, and everything that is asked behind it. */
async function waiting(more: Parameters<typeof world>[0] = {}) {
  const disk = new SlowDisk(memory());
  const made = await site({ storage: disk.storage, ...more });
  await made.joined({ device: 'd2' });
  const peer = await made.joined({ token: 'eve', device: 'd3' }, silent);
  disk.hold();
  onTestFinished(() => disk.release());
  peer.push(topic, 'write', { op: 'set', path: 'other', value: 1, client_op_id: 'w' });
  const open = (sub: string): string =>
    peer.push(topic, 'query_open', { sub, record: 'note', spec: { where: { text: '' } } });
  return { ...made, disk, peer, open };
}

/** Everything pushed before has been read. */
async function arrived(peer: Peer): Promise<void> {
  await peer.ask('phoenix', 'heartbeat', {});
}

test('R187 queries that wait for their turn when their socket goes are not evaluated any more', async () => {
  const clock = new VirtualClock();
  const { server, notes, asked, disk, peer, open } = await waiting({ clock });
  open('q');
  await arrived(peer);
  expect(server.describe().queries).toBe(1);
  peer.cut();
  await expect.poll(() => server.describe().queries).toBe(0);
  // As long as she may come back, what she was shown is kept an eye on.
  await clock.pass(125_000);
  disk.release();
  asked.length = 0;
  await notes.write({ id: 'eve' }, { patch: { text: 'x' } });
  expect(asked).not.toContain('eve');
});

test('queries that wait for their turn count, too: the one after the hundredth is refused', async () => {
  const { disk, peer, open } = await waiting();
  for (let i = 0; i < 100; i++) open(`q${i}`);
  const last = open('more');
  await arrived(peer);
  disk.release();
  expect(await peer.reply(last)).toEqual({
    status: 'error',
    response: { reason: 'invalid_query', limit: 100 },
  });
});

test('a query whose name has another takes its place, though a hundred are open or wait', async () => {
  const made = await site();
  const peer = await made.joined({ token: 'eve', device: 'd3' }, silent);
  const open = (sub: string, owner = 'none') =>
    peer.ask(topic, 'query_open', { sub, record: 'note', spec: { where: { owner } } });
  for (let i = 0; i < 100; i++) expect((await open(`q${i}`)).status).toBe('ok');
  expect((await open('more')).response).toEqual({ reason: 'invalid_query', limit: 100 });
  expect((await open('q7', 'eve')).status).toBe('ok');
  await peer.until(
    ([, , , event, delta]) =>
      event === 'query_delta' && JSON.stringify(delta).includes('notes/eve'),
  );
  expect(made.server.describe().queries).toBe(2);
  expect((await open('more')).response).toEqual({ reason: 'invalid_query', limit: 100 });
});

test('of those that wait to take a place, one may wait for each', async () => {
  const { disk, peer, open } = await waiting();
  for (let i = 0; i < 100; i++) open(`q${i}`);
  const last = [open('q7'), open('q7')];
  await arrived(peer);
  disk.release();
  const [first, second] = [await peer.reply(last[0] ?? ''), await peer.reply(last[1] ?? '')];
  expect([first, second]).toMatchObject([{ status: 'ok' }, { status: 'error' }]);
});

test('a query that is opened counts as a read of whoever opens it', async () => {
  const made = await site({ rates: { reads_per_minute: 1, read_burst: 2 } });
  const peer = await made.joined({ token: 'eve' }, silent);
  const open = (sub: string) => peer.ask(topic, 'query_open', { sub, record: 'note', spec: {} });
  const answers = [await open('a'), await open('b'), await open('c')];
  expect(answers.map(({ status }) => status)).toEqual(['ok', 'ok', 'error']);
  expect(answers[2]?.response['reason']).toBe('rate_limited');
});

function teamOf(subject: string | null): string {
  return subject?.split('-')[0] ?? '';
}

/** The windows that somebody was told of, and their steps. */
function windowsOf(peer: Peer | undefined): string {
  const told = peer?.heard.filter(([, , , event]) => event === 'query_delta');
  return JSON.stringify(told?.map(([, , , , { rows, ops }]) => rows ?? ops));
}

test('R194 queries are evaluated once for all of one read class, and told to nobody of another', async () => {
  const names = ['red-1', 'red-2', 'blue-1'] as const;
  const made = await world({
    authenticate: principals(Object.fromEntries(names.map((name) => [name, person(name)]))),
  });
  const notes = made.server.record(Note, {
    read: ({ principal }, _, { owner }) => owner === teamOf(principal.subject),
    readClass: ({ principal }) => teamOf(principal.subject),
  });
  await notes.write({ id: 'r' }, { set: { owner: 'red', text: '' } });
  const open = async (name: string): Promise<Peer> => {
    const peer = await made.joined({ token: name, device: name }, silent);
    await peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec: {} });
    await peer.until(([, , , event]) => event === 'query_delta');
    return peer;
  };
  const peers = [await open('red-1'), await open('red-2'), await open('blue-1')];
  expect(made.server.describe().queries).toBe(2);
  // Whoever has opened it first need not be the last.
  peers[0]?.cut();
  await expect.poll(() => made.server.describe().queries).toBe(2);
  await notes.write({ id: 'n' }, { set: { owner: 'red', text: 'new' } });
  for (const peer of peers.slice(1)) await peer.ask(topic, 'scope', {});
  expect(windowsOf(peers[1])).toBe('[["notes/r"],[["ins","notes/n",null]]]');
  expect(windowsOf(peers[2])).toBe('[[]]');
});

const note = { name: 'note', store: 'demo/main', path: 'notes/:id', version: '1.0' } as const;
const schema = z.object({ owner: z.string(), text: z.string() });
const beside = (path: string) => record({ ...note, name: 'other', path, schema: z.object({}) });
const byTeam = ({ principal }: RecordContext): string => teamOf(principal.subject);
const yes = () => true;
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the types forbid, JavaScript does
const later = (() => Promise.reject(new Error('no'))) as never;

test.for([
  ['nothing else hides anything', record({ ...note, schema }), null, byTeam, 1],
  ['another record lies elsewhere', Note, beside('cards/:id'), byTeam, 1],
  ['its fields have rules', record({ ...note, schema, visibility: { '*': yes } }), null, byTeam, 2],
  ['another record lies below it', Note, beside('notes/:id/inner'), byTeam, 2],
  ['another record lies above it', Note, beside('notes'), byTeam, 2],
  ['another record may be it', Note, beside(':kind/main'), byTeam, 2],
  ['it is not to be had', Note, null, later, 2],
  [
    'it fails',
    Note,
    null,
    () => {
      throw new Error('no');
    },
    2,
  ],
] as const)(
  'R194 two of one read class share a query only where nothing but the read rule hides something: %s',
  async ([, def, other, readClass, queries]) => {
    const names = ['red-1', 'red-2'] as const;
    const people = Object.fromEntries(names.map((name) => [name, person(name)]));
    const made = await world({ authenticate: principals(people) });
    made.server.record(def, { read: yes, readClass });
    if (other !== null) made.server.record(other, { read: yes });
    for (const name of names) {
      const peer = await made.joined({ token: name, device: name }, silent);
      await peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec: {} });
    }
    expect(made.server.describe().queries).toBe(queries);
  },
);

test('people whose path rules differ elsewhere share a query, and nobody shares one with whom they differ in its objects', async () => {
  const rules = {
    ann: ['users/ann/**', 'notes/**'],
    bob: ['notes/**', 'users/bob/**'],
    cat: ['notes/**', 'notes/a/text'],
    dan: ['notes/a/**', 'notes/b/text'],
  };
  const people = Object.entries(rules).map(([name, patterns]) => {
    const pathRules = patterns.map((pattern) => ({ pattern, allow: ['read'] as const }));
    return [name, person(name, { pathRules })] as const;
  });
  const made = await world({
    authenticate: principals({ ...Object.fromEntries(people), eve: person('eve') }),
  });
  const notes = made.server.record(record({ ...note, schema }));
  for (const id of ['a', 'b']) await notes.write({ id }, { set: { owner: 'o', text: id } });
  const open = async (name: string): Promise<Peer> => {
    const peer = await made.joined({ token: name, device: name }, silent);
    const spec = { where: { owner: 'o' } };
    await peer.ask(topic, 'query_open', { sub: 'q', record: 'note', spec });
    await peer.until(([, , , event]) => event === 'query_delta');
    return peer;
  };
  const all = [await open('ann'), await open('bob'), await open('cat'), await open('eve')];
  expect(made.server.describe().queries).toBe(1);
  const dan = await open('dan');
  expect(made.server.describe().queries).toBe(2);
  await notes.write({ id: 'c' }, { set: { owner: 'o', text: 'c' } });
  for (const peer of [...all, dan]) await peer.ask(topic, 'scope', {});
  const shared = '[["notes/a","notes/b"],[["ins","notes/c","notes/b"]]]';
  expect(all.map(windowsOf)).toEqual([shared, shared, shared, shared]);
  expect(windowsOf(dan)).toBe('[["notes/a"]]');
});
