import { createClient, type Receipt, type WatchEvent } from '@holdfast/client';
import { deferred } from '@holdfast/engine/registry';
import { type Op, opTuple, type Seq } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { sampleTruth } from '../../simulation/validators/sample.ts';
import { Truth } from '../../simulation/validators/truth.ts';
import { fedOp } from '../load/feed.ts';
import { topic } from '../load/join-reply.ts';
import { Reader } from '../load/reader.ts';
import { Writer } from '../load/writers.ts';
import { authenticate } from '../servers/principal.ts';
import { HistoryError } from './error.ts';
import { type Fed, problemsOfFeed } from './fed.ts';
import { judged, verdictOf } from './judged.ts';
import { leftWrites, storeTestimony, type Testimony, testimonyOf } from './testimony.ts';
import { type Answered, readerTestimony, writerTestimony } from './wire.ts';

const truth = sampleTruth();
const ids = [...truth.ids()];
const made = leftWrites('all', ids)();

function words(
  testimonies: readonly Testimony[],
  log: Truth = truth,
  minimum: Parameters<typeof verdictOf>[2] = {},
): ReadonlySet<string> {
  return new Set(verdictOf(testimonies, log, minimum).map(({ word }) => word));
}

function frame(event: string, payload: object): string {
  return JSON.stringify([null, null, topic, event, payload]);
}

/** The frames in which a server tells the sample's log: one for each commit. */
function framesOf(from: Seq = 0, spoil: (op: Op) => Op = (op) => op): string[] {
  const frames = truth.commits
    .filter(({ first }) => first > from)
    .map(({ first, last, ops }) => {
      const told = ops.map((op) => opTuple(spoil(op)));
      return frame('events', { from_seq: first - 1, to_seq: last, ops: told });
    });
  return [frame('catch_up_complete', { through_seq: from }), ...frames];
}

/** The frames of who joins late, when one op was made, and hears the others. */
function snapshotOf(value: unknown): string[] {
  return [
    frame('snapshot_begin', { id: 's', seq: 1, incarnation: 'i', entries: 1, within: null }),
    frame('snapshot_chunk', {
      id: 's',
      index: 0,
      entries: [['n/a', value, 'integer', 1]],
      maps: [],
    }),
    frame('snapshot_end', { id: 's', seq: 1, chunks: 1, entries: 1 }),
    ...framesOf(1).slice(1),
  ];
}

function heard(frames: readonly string[], patterns = ['**'], from = 0): ReadonlySet<string> {
  return words([readerTestimony('r', frames, { patterns, from }), made]);
}

describe('a bare reader of a bench', () => {
  it('is found to be right when it was told everything, a part, or what it had missed', () => {
    expect(heard(framesOf())).toEqual(new Set());
    expect(heard(framesOf(8), ['**'], 8)).toEqual(new Set());
    const ofPart = truth.commits.map(({ first, last, ops }) => {
      const told = ops.filter(({ path }) => path.startsWith('n/')).map((op) => opTuple(op));
      return frame('events', { from_seq: first - 1, to_seq: last, ops: told });
    });
    expect(heard(ofPart, ['n/**'])).toEqual(new Set());
  });

  it('is found to be wrong when it was not told of a commit, or told again', () => {
    const frames = framesOf();
    const lost = heard(frames.toSpliced(3, 1));
    for (const word of ['gapless', 'reliable']) expect(lost).toContain(word);
    const again = heard(frames.toSpliced(3, 0, ...frames.slice(3, 4)));
    for (const word of ['gapless', 'unique']) expect(again).toContain(word);
    expect(heard(frames.with(4, frames[5] ?? '').with(5, frames[4] ?? ''))).toContain('ordered');
  });

  it('is found to be wrong when a transaction came in parts, or who came back misses an op', () => {
    const part = framesOf().map((text) => text.replace(/\],\[4,.*?\]\]/, ']]'));
    expect(heard(part)).toContain('atomic');
    expect(heard(framesOf(8).toSpliced(1, 1), ['**'], 8)).toContain('resumable');
  });

  it('is found to be wrong when it was told another value, another path, or what nobody can read', () => {
    const other = framesOf(0, (op) => (op.seq === 17 ? { ...op, value: 'other' } : op));
    expect(heard(other)).toContain('bookmarkable');
    expect(heard(framesOf(), ['n/**'])).toContain('filtered');
    expect(heard([...framesOf(), '[1]'])).toContain('answered');
    expect(heard([...framesOf(), frame('events', { from_seq: 20 })])).toContain('answered');
  });

  it('is found to be wrong when a snapshot shows another state than the log', () => {
    expect(heard(snapshotOf(1))).toEqual(new Set());
    const early = snapshotOf(7).slice(0, 3);
    expect(heard(early)).toContain('bookmarkable');
  });

  it('keeps each message as it came, whatever its length and however it was cut', async () => {
    const texts = [7, 125, 126, 65_535, 65_536, 200_000].map((length) => 'ä'.repeat(length));
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    await new Promise((resolve) => server.once('listening', resolve));
    server.on('connection', (socket) => {
      socket.on('message', () => {
        for (const text of texts) socket.send(text);
      });
    });
    const address = server.address();
    if (typeof address === 'string' || address === null) throw new Error('no port');
    const all = deferred<void>();
    const reader = await Reader.open(address.port, '/', () => {
      if (reader.messages === texts.length) all.resolve();
    });
    reader.keep();
    reader.send('go');
    await all.promise;
    await expect.poll(() => reader.kept()).toEqual(texts);
    reader.close();
    server.close();
  });
});

describe('a bare writer of a bench', () => {
  const writes = [1, 2, 3, 4, 5];
  const seqs = writes.map((n) => truth.of(`bob:s:${n}`)[0]?.seq ?? 0);
  const others = leftWrites(
    'ann',
    ids.filter((id) => id.startsWith('ann')),
  )();
  const bob = writerTestimony('bob', 5, { writes, seqs });

  it('is found to be right when the log has each acknowledged op, and may have one it was not told of', () => {
    expect(words([bob, others])).toEqual(new Set());
    const answered = { writes: writes.slice(1), seqs: seqs.slice(1) };
    expect(words([writerTestimony('bob', 5, answered), others])).toEqual(new Set());
  });

  it('is found to be wrong when an acknowledged op is not in the log, elsewhere, there twice, or told twice', () => {
    const told = (more: Answered, count = 5): ReadonlySet<string> =>
      words([writerTestimony('bob', count, more), others]);
    expect(told({ writes: [...writes, 6], seqs: [...seqs, 9] }, 6)).toContain('once');
    expect(told({ writes, seqs: seqs.with(2, 9) })).toContain('once');
    expect(told({ writes, seqs: seqs.with(2, Number.NaN) })).toContain('once');
    expect(told({ writes: [...writes, 1], seqs: [...seqs, 2] })).toContain('once');
    expect(told({ writes: [...writes, 7], seqs: [...seqs, 2] })).toContain('once');
    const doubled = truth.ops.map((op) => (op.seq === 5 ? { ...op, clientOpId: 'bob:s:1' } : op));
    expect(words([bob, others], new Truth(doubled))).toContain('once');
  });

  it('is found to be wrong when the log has what it did not write, or another order, or a hole', () => {
    const four = { writes: writes.slice(0, 4), seqs: seqs.slice(0, 4) };
    expect(words([writerTestimony('bob', 4, four), others])).toContain('known');
    const names = new Map([
      ['bob:s:1', 'bob:s:2'],
      ['bob:s:2', 'bob:s:1'],
    ]);
    const swapped = truth.ops.map((op) =>
      Object.assign({}, op, { clientOpId: names.get(op.clientOpId) ?? op.clientOpId }),
    );
    expect(words([bob, others], new Truth(swapped))).toContain('inOrder');
    const hole = new Truth(truth.ops.filter(({ seq }) => seq !== 2));
    expect(words([bob, others], hole)).toContain('dense');
  });

  it('is found to be wrong when it left writes that never came', () => {
    const minimum = { ops: truth.ops.length + 1 };
    expect(words([bob, others], truth, minimum)).toContain('busy');
  });
});

function otherwise(events: WatchEvent[]): WatchEvent[] {
  return events.map((event) => Object.assign({}, event, { value: 'other' }));
}

describe('a client of a bench', () => {
  it('is found to be wrong when the log is not what it was told, shows, or wrote', async () => {
    const server = createServer({ storage: memory(), authenticate, rates: false });
    await server.stores.create('bench/main');
    const { port } = await server.listen();
    const client = createClient({ url: `ws://127.0.0.1:${port}`, token: 'bench' });
    const store = client.store('bench/main');
    await store.ready;
    const events: WatchEvent[] = [];
    store.on('ping', (event) => void events.push(event), { mode: 'committed' });
    const receipts: Receipt[] = [1, 2, 3].map((value) => store.put('ping', value));
    await store.settled();
    await expect.poll(() => events.length).toBe(3);
    const ops = [1, 2, 3].map((seq): Op => {
      const opId = receipts[seq - 1]?.opId ?? '';
      return Object.assign({}, fedOp(seq), { path: 'ping', value: seq, clientOpId: opId });
    });
    const told = (heardNow: readonly WatchEvent[]): Testimony =>
      storeTestimony('c', store, { receipts, watched: [{ pattern: 'ping', events: heardNow }] });
    const log = new Truth(ops);
    expect(words([told(events)], log, { writesCommitted: 3, events: 3 })).toEqual(new Set());
    expect(words([told(events.slice(1))], log)).toEqual(new Set(['reliable', 'previous']));
    expect(words([told([...events, ...events.slice(2)])], log)).toContain('unique');
    const stale = events.map((event) => Object.assign({}, event, { previous: 'stale' }));
    expect(words([told(stale)], log)).toEqual(new Set(['previous']));
    const others = ops.map((op) => (op.seq === 3 ? { ...op, value: 'other' } : op));
    expect(words([told(events)], new Truth(others))).toContain('bookmarkable');
    expect(words([told(events)], new Truth(ops.slice(0, 2)))).toContain('once');
    await client.close();
    await server.close();
  });

  it('is found to be wrong when the feeder told other events than its callbacks were given', () => {
    const through = 4000;
    const ops = Array.from({ length: through }, (_, index) => fedOp(index + 1));
    const shown = new Map(ops.map(({ path, value }) => [path, value] as const));
    const rooms = Array.from({ length: 100 }, (_, room): WatchEvent[] => {
      const own = ops.filter(({ path }) => path.startsWith(`rooms/${room}/`));
      return own.map(({ path, value, seq, op }) => {
        const previous = own.find((each) => each.path === path && each.seq < seq)?.value;
        return { path, value, seq, op, previous, type: 'string', own: false };
      });
    });
    const fed: Fed = { seq: through, entries: [...shown], rooms };
    const found = (changed: Partial<Fed>): ReadonlySet<string> =>
      new Set(problemsOfFeed({ ...fed, ...changed }).map(({ word }) => word));
    const inRoom = (room: number, change: (events: WatchEvent[]) => WatchEvent[]) =>
      found({ rooms: rooms.with(room, change([...(rooms[room] ?? [])])) });
    expect(found({})).toEqual(new Set());
    expect(inRoom(7, (events) => events.slice(1))).toContain('reliable');
    expect(inRoom(7, (events) => [...events, ...events])).toContain('reliable');
    expect(inRoom(7, otherwise)).toContain('reliable');
    expect(inRoom(50, (events) => events.toReversed())).toContain('ordered');
    expect(inRoom(50, (events) => [...events, ...(rooms[51] ?? [])])).toContain('filtered');
    expect(found({ entries: fed.entries.slice(1) })).toContain('bookmarkable');
    expect(found({ rooms: rooms.map(() => []) })).toContain('busy');
    expect(found({ seq: 0, entries: [] })).toContain('busy');
  });
});

/** A round in which so many writes are acknowledged. */
const round = (count: number, more: Testimony[] = []): Promise<number> =>
  judged({ writesCommitted: 10 }, async (server, witnesses) => {
    const writer = await Writer.open(server.port, 'd0', 10);
    const told = deferred<void>();
    writer.onAcknowledged = () => {
      if (writer.acknowledged === count) told.resolve();
    };
    for (let sent = 0; sent < count; sent += 1) writer.write();
    await told.promise;
    writer.close();
    witnesses.push(() => writer.testimony(), ...more.map((testimony) => () => testimony));
    return count;
  });

describe('a round of a bench', () => {
  it('gives what was measured when its history is right, and nothing when it is wrong or idle', async () => {
    await expect(round(10)).resolves.toBe(10);
    await expect(round(9)).rejects.toThrow('busy: writesCommitted: 9 of at least 10');
    const opId = 'd0:s:99';
    const lie = testimonyOf('liar', {
      made: [{ opId, isGuarded: false, outcome: { committed: 99 } }],
    });
    const wrong = round(10, [lie]);
    await expect(wrong).rejects.toThrow(HistoryError);
    await expect(wrong).rejects.toThrow(`once: ${opId} was acknowledged at seq 99`);
  });
});
