import { entriesIn, project, readIn, type Scope, type Tree } from '@holdfast/engine/data';
import { type Entry, literalPrefix, type Path, segmentsOf, type Seq } from '@holdfast/protocol';
import type { StoreHost } from '../host/store-host.ts';
import { Telling } from '../host/telling.ts';
import { stateEvent } from './legacy.ts';
import type { ChannelScope } from './scope.ts';
import type { Reading } from './snapshot.ts';
import type { ChannelPort, ChannelTerms, JoinPlan } from './terms.ts';
import { frameJsonPayload } from './ops.ts';
import type { SocketRoom } from './room.ts';
import { nextTurn } from './turn.ts';
import { message } from './wire.ts';

const EVENTS_PER_TURN = 500;
const RUN_LEAVES = 10_000;
const MARKERS_PER_READ = 1000;
/** Of each of them the log may have to be asked. */
const MARKERS_PER_TURN = 100;

/** Where frames go, and until when. */
type Sending = Pick<ChannelTerms, 'topic' | 'codec' | 'host'> & {
  readonly scope: ChannelScope;
  readonly stopped: () => boolean;
};

/** Sends a chunked snapshot, a chunk a turn, no faster than the socket takes it (stores.md §10.3). */
export async function sendSnapshot(
  room: SocketRoom,
  port: ChannelPort,
  { reading, topic, codec, host, stopped }: Sending & { readonly reading: Reading },
): Promise<void> {
  const push = (event: string, payload: object): void => {
    port.outbox.send(message(codec, [null, null, topic, event, payload]));
  };
  // Whoever has left while it was being made hears nothing of it (§7.3).
  if (stopped()) return;
  const { snapshot } = reading;
  const { id, seq, entries, within } = snapshot;
  push('snapshot_begin', { id, seq, incarnation: host.row.incarnation, entries, within });
  for (let part = reading.next(); part !== null && !stopped(); part = reading.next()) {
    if (part !== 'later') {
      if (codec.binary) push('snapshot_chunk', part.payload);
      else port.outbox.send(frameJsonPayload({ topic, codec }, 'snapshot_chunk', part.json()));
    }
    await nextTurn(room, port.outbox);
  }
  if (stopped()) return;
  push('snapshot_end', { id, seq, chunks: reading.index, entries: snapshot.count });
}

/** Sends the state as the events a capver-3 client knows (stores.md §9.4). */
export async function sendLegacySnapshot(
  room: SocketRoom,
  port: ChannelPort,
  { tree, plan, topic, codec, host, scope, stopped }: Sending & Legacy,
): Promise<void> {
  const push = (event: string, payload: object): void => {
    port.outbox.send(message(codec, [null, null, topic, event, payload]));
  };
  const rest = (): Promise<void> => nextTurn(room, port.outbox);
  const of = { ...plan, storage: room.storage, host, tree, scope, rest, stopped };
  const cleared = plan.last > 0 ? await clearings(of) : [];
  const runs: (readonly Fact[])[] = [await seenClearings(of, cleared)];
  for (const run of sortedRuns(tree, scope)) {
    if (run !== null) runs.push(run);
    await rest();
    if (stopped()) return;
  }
  if (stopped()) return;
  push('snapshot', { snapshot_seq: 0, entries: {} });
  let sent = 0;
  for (const fact of merged(runs)) {
    push('event', eventOf(fact));
    sent += 1;
    if (sent % EVENTS_PER_TURN > 0) continue;
    await rest();
    if (stopped()) return;
  }
}

type Legacy = { readonly tree: Tree; readonly plan: JoinPlan };

/** Where it is looked up what was cleared; others have their turns meanwhile. */
type Looking = Pick<SocketRoom, 'storage'> &
  Pick<Sending, 'host' | 'scope' | 'stopped'> &
  Pick<JoinPlan, 'last' | 'cut'> & { readonly tree: Tree; readonly rest: () => Promise<void> };

/**
 * The clear markers that a scope shows. Where a marker lies above the scope, what it removed is in the log; beyond that
 * it is told only if its path is known anyway: named by a rule, or on the way to a leaf that is seen.
 */
async function seenClearings(of: Looking, facts: readonly Fact[]): Promise<readonly Fact[]> {
  const { storage, host, tree, rest, stopped } = of;
  const { leaves, veil } = of.scope;
  const [first] = facts;
  if (leaves.isWhole || first === undefined) return facts;
  const told = veil === null ? null : await seqsTold(of, first.seq - 1);
  const seen: Fact[] = [];
  for (const [at, fact] of facts.entries()) {
    if (at % MARKERS_PER_TURN === 0) await rest();
    if (stopped()) break;
    const { path, seq } = fact;
    const isVeiled = veil?.concerns(path) === true;
    // What the log does not tell of any more may have been hidden.
    const isSeen = isVeiled
      ? told?.has(seq) === true
      : isKnown(leaves, tree, path) || (await shows({ storage, host, leaves }, fact));
    if (isSeen) seen.push(fact);
  }
  return seen;
}

function isKnown(leaves: Scope, tree: Tree, path: Path): boolean {
  return leaves.covers(path) || names(leaves, path) || readIn(tree, leaves, path) !== undefined;
}

/** Whether a scope shows something of the op that cleared a path. */
async function shows(
  of: { storage: SocketRoom['storage']; host: StoreHost; leaves: Scope },
  { path, seq }: Fact,
): Promise<boolean> {
  const { storage, host, leaves } = of;
  if (!leaves.reaches(path)) return false;
  const [op] = await storage.read(host.row.id, seq - 1, { ops: 1 });
  return op?.seq === seq && project(op, leaves) !== null;
}

/** The seqs after one of which a scope shows something, as far as the log reaches. */
async function seqsTold(
  { host, scope: { leaves }, rest, stopped }: Looking,
  after: Seq,
): Promise<ReadonlySet<Seq>> {
  const { head, oldestSeq } = host.standing();
  const told = new Set<Seq>();
  const from = Math.max(after, oldestSeq - 1);
  const telling = await Telling.from(host, { scope: leaves, after: from });
  for (let at = from; at < head && !stopped();) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the log
    const ops = await host.read(at, head);
    // The log may have forgotten some meanwhile, without which it cannot be told what the rest showed.
    if (ops[0]?.seq !== at + 1) break;
    for (const { seq } of telling.take(ops)) told.add(seq);
    at = ops.at(-1)?.seq ?? head;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await rest();
  }
  return told;
}

/** Whether a pattern spells a path out. */
function names({ patterns }: Scope, path: Path): boolean {
  const segments = segmentsOf(path);
  return patterns.some((pattern) => {
    const prefix = literalPrefix(pattern);
    return segments.every((segment, at) => prefix[at] === segment);
  });
}

/** A leaf, or that a path was cleared. */
type Fact = { readonly seq: Seq; readonly path: Path; readonly entry: Entry | null };

/** What was cleared since the client was last here (stores.md §9.4.2). */
async function clearings(of: Looking): Promise<Fact[]> {
  const { storage, host, last, cut, rest, stopped } = of;
  const facts: Fact[] = [];
  for (let after = last; after < cut && !stopped();) {
    const markers = await storage.markers(host.row.id, after, MARKERS_PER_READ);
    for (const { path, seq } of markers) if (seq <= cut) facts.push({ seq, path, entry: null });
    after = markers.length < MARKERS_PER_READ ? cut : (markers.at(-1)?.seq ?? cut);
    await rest();
  }
  return facts;
}

/** The leaves in runs, each by seq and within a seq by path; one sort of all would block the event loop. */
function* sortedRuns(tree: Tree, scope: ChannelScope): Generator<readonly Fact[] | null> {
  let run: Fact[] = [];
  for (const entry of entriesIn(tree, scope.leaves)) {
    if (entry === null) {
      yield null;
      continue;
    }
    run.push({ seq: entry.revision, path: entry.path, entry });
    if (run.length < RUN_LEAVES) continue;
    yield run.toSorted(bySeq);
    run = [];
  }
  yield run.toSorted(bySeq);
}

/** All facts by seq; within a seq those of earlier runs first: what was cleared, then the leaves in path order. */
function* merged(runs: readonly (readonly Fact[])[]): Generator<Fact> {
  const places = runs.map(() => 0);
  for (;;) {
    let least: Fact | undefined;
    let from = 0;
    for (const [at, run] of runs.entries()) {
      const next = run[places[at] ?? 0];
      if (next === undefined || (least !== undefined && next.seq >= least.seq)) continue;
      least = next;
      from = at;
    }
    if (least === undefined) return;
    places[from] = (places[from] ?? 0) + 1;
    yield least;
  }
}

function bySeq(a: Fact, b: Fact): number {
  return a.seq - b.seq;
}

function eventOf({ seq, path, entry }: Fact): object {
  const origin = { deviceId: 'system:snapshot', clientOpId: `snapshot:${seq}:${path}` };
  return stateEvent(path, entry ?? { cleared: seq }, origin);
}
