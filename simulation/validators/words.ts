import {
  isRefusal,
  type Json,
  jsonEquals,
  matches,
  type Op,
  parseGlob,
  type Path,
  type Pattern,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import type { WatchEvent } from '@holdfast/engine/replica';
import { Belief } from './belief.ts';
import {
  type ClientHistory,
  isLive,
  type LiveEvent,
  type Problem,
  type Span,
  type WatchHistory,
} from './history.ts';
import { type Commit, leavesOf, type Truth } from './truth.ts';

/** What a checker of one word looks at. */
export type Judged = {
  readonly watch: WatchHistory;
  readonly client: Pick<ClientHistory, 'resumes' | 'resyncs'>;
  readonly truth: Truth;
};

/** Events come in the order of their commits; what was there already comes before what happens (C12). */
export function ordered({ watch }: Judged): Problem[] {
  const problems: Problem[] = [];
  // Where own writes are shown, what they bear on is told last of all that a frame brings (C4).
  const isGlobal = watch.policy === 'every' && watch.mode === 'committed';
  const lastOf = new Map<Path, Seq>();
  let last = 0;
  for (const event of watch.events) {
    if (event.op === 'present' && last > 0) {
      problems.push(
        problem('ordered', watch, `what is present at ${event.path} after seq ${last}`),
      );
    }
    if (!isLive(event) || isOwnView(watch, event)) continue;
    const before = isGlobal ? last : (lastOf.get(event.path) ?? 0);
    if (event.seq < before) {
      problems.push(problem('ordered', watch, `seq ${event.seq} after ${before} (${event.path})`));
    }
    last = Math.max(last, event.seq);
    lastOf.set(event.path, event.seq);
  }
  return problems;
}

/** No change is told twice, nor told again after a listing that had it. */
export function unique({ watch }: Judged): Problem[] {
  const problems: Problem[] = [];
  const heard = new Map<Path, Seq>();
  for (const event of watch.events) {
    if (event.seq === null || event.op === 'refused' || isOwnView(watch, event)) continue;
    const known = heard.get(event.path) ?? 0;
    if (isLive(event) && event.seq <= known) {
      problems.push(problem('unique', watch, `seq ${event.seq} again at ${event.path}`));
    }
    heard.set(event.path, Math.max(known, event.seq));
  }
  return problems;
}

/** What a transaction did is told as a whole, with nothing in between (C11). */
export function atomic({ watch, client, truth }: Judged): Problem[] {
  if (watch.mode !== 'committed' || watch.policy !== 'every') return [];
  const problems: Problem[] = [];
  const places = placesOf(watch);
  for (const { first, last, ops } of truth.commits) {
    if (first === last || first <= watch.from || isIn(client.resyncs, first)) continue;
    const wanted = lastOfEachPath(ops.filter(({ path }) => watches(watch, path)));
    const found = wanted.flatMap((op) => toldOf(op, places).slice(-1));
    if (found.length === 0) continue;
    if (found.length < wanted.length) {
      problems.push(problem('atomic', watch, `only a part of the commit ${first} to ${last}`));
    } else if (!isOneRun(watch, found, { first, last })) {
      problems.push(problem('atomic', watch, `something within the commit ${first} to ${last}`));
    }
  }
  return problems;
}

/** Every op that the pattern matches is told, by itself or merged into a later one that says so. */
export function reliable({ watch, client, truth }: Judged): Problem[] {
  const problems: Problem[] = [];
  if (watch.mode === 'committed') {
    const places = placesOf(watch);
    for (const op of due(watch, client.resyncs, truth)) {
      if (watch.policy === 'every' && toldOf(op, places).length === 0) {
        problems.push(problem('reliable', watch, `seq ${op.seq} is never told`));
      }
    }
  }
  if (watch.mode === 'committed' && watch.isWhole && watch.includeCurrent) {
    const belief = new Belief();
    for (const event of watch.events) belief.hear(event);
    const state = leavesOf(truth.stateAt(watch.through)).filter(([path]) => watches(watch, path));
    const wrong = firstDifference(belief.leaves(), state);
    if (wrong !== null) problems.push(problem('reliable', watch, `its events end in ${wrong}`));
  }
  return problems;
}

/** A connection that breaks and comes back leaves no seam: the ops on both sides of it are told, once each. */
export function resumable({ watch, client, truth }: Judged): Problem[] {
  if (watch.mode !== 'committed' || watch.policy !== 'every') return [];
  const problems: Problem[] = [];
  const places = placesOf(watch);
  const wanted = new Map(due(watch, client.resyncs, truth).map((op) => [op.seq, op]));
  for (const cursor of client.resumes) {
    for (const seq of [cursor, cursor + 1]) {
      const op = wanted.get(seq);
      const times = op === undefined ? 1 : toldOf(op, places).length;
      if (times !== 1) {
        problems.push(
          problem('resumable', watch, `seq ${seq} ${times} times, at the seam ${cursor}`),
        );
      }
    }
  }
  return problems;
}

/** A seq names a state: a replica that stands there shows what the log up to there says. */
export function bookmarkable(client: ClientHistory, truth: Truth): Problem[] {
  const states = truth.statesAt(client.bookmarks.map(({ seq }) => seq));
  return client.bookmarks.flatMap(({ seq, entries }) => {
    const state = states.get(seq);
    const wrong = state === undefined ? null : firstDifference(entries, leavesOf(state));
    if (wrong === null) return [];
    return [{ word: 'bookmarkable', text: `${client.client} at seq ${seq}: ${wrong}` }];
  });
}

/** Only what the pattern matches and the mode is about (C11, C13). */
export function filtered({ watch }: Judged): Problem[] {
  return watch.events.flatMap((event) => {
    if (!watches(watch, event.path)) {
      return [problem('filtered', watch, `${event.path} does not match ${watch.pattern}`)];
    }
    const isWrong =
      watch.mode === 'committed' ? event.seq === null : watch.mode === 'optimistic' && !event.own;
    return isWrong ? [problem('filtered', watch, `${event.path} is not ${watch.mode}`)] : [];
  });
}

/** `previous` is what the subscriber has been told before. */
export function previous({ watch, truth }: Judged): Problem[] {
  if (!watch.isWhole || (!watch.includeCurrent && watch.mode !== 'committed')) return [];
  const belief = watch.includeCurrent ? new Belief() : new Belief(truth.stateAt(watch.from));
  let before: readonly Belief[] = [];
  let last: WatchEvent | null = null;
  const problems: Problem[] = [];
  for (const event of watch.events) {
    // Where own writes are shown, several commits may be shown at once: any state of late will do.
    if (watch.mode === 'all') before = [...before.slice(-recentMax), belief.fork()];
    // In a commit two paths may lie in one another; nobody was shown a state amid a commit.
    else if (last === null || !isOneCommit(last, event, truth)) before = [belief.fork()];
    else if (event.op === 'resync') before = [...before, belief.fork()];
    last = event;
    if (!before.some((each) => isSame(knownOf(each, event), event.previous))) {
      const told = `${show(event.previous)} instead of ${show(belief.read(event.path))}`;
      problems.push(problem('previous', watch, `${event.path} at ${event.seq}: ${told}`));
    }
    belief.hear(event);
  }
  return problems;
}

/** A resync tells leaf by leaf what differs. */
function knownOf(belief: Belief, { op, path }: WatchEvent): Json | undefined {
  return op === 'resync' ? belief.leaf(path) : belief.read(path);
}

function isOneCommit(a: WatchEvent, b: WatchEvent, truth: Truth): boolean {
  if (a.op === 'resync' && b.op === 'resync') return true;
  if (!isLive(a) || !isLive(b)) return false;
  const tx = truth.at(a.seq)?.tx ?? null;
  return tx !== null && tx === truth.at(b.seq)?.tx;
}

const recentMax = 64;

/** Where seqs are missing, a marker says so, or the commit had a later op at that path (C11). */
export function gapless({ watch, client, truth }: Judged): Problem[] {
  if (watch.pattern !== '**' || watch.mode !== 'committed' || watch.policy !== 'every') return [];
  const problems: Problem[] = [];
  let last = watch.from;
  for (const event of watch.events) {
    if (!isLive(event)) continue;
    for (let seq = last + 1; seq < event.seq; seq++) {
      if (isIn(client.resyncs, seq) || isOverwritten(seq, truth)) continue;
      problems.push(problem('gapless', watch, `nothing of seq ${seq}, and nothing that says so`));
    }
    last = Math.max(last, event.seq);
  }
  return problems;
}

/** A conflating policy gives, of each path, a subsequence that ends in the last op, and counts what it left out. */
export function conflated({ watch, client, truth }: Judged): Problem[] {
  if (watch.mode !== 'committed' || watch.policy === 'every') return [];
  const wanted = byPath(due(watch, client.resyncs, truth));
  const heard = byPath(watch.events.filter(isLive));
  const problems: Problem[] = [];
  for (const [path, ops] of wanted) {
    const events: readonly LiveEvent[] = heard.get(path) ?? [];
    const counted = events.reduce((sum, event) => sum + 1 + (event.conflated ?? 0), 0);
    if (events.at(-1)?.seq !== ops.at(-1)?.seq) {
      problems.push(problem('conflated', watch, `${path} does not end in seq ${ops.at(-1)?.seq}`));
    } else if (counted !== ops.length) {
      problems.push(
        problem('conflated', watch, `${path}: ${counted} accounted for of ${ops.length}`),
      );
    }
    const seqs = new Set(ops.map(({ seq }) => seq));
    for (const { seq } of events) {
      if (!seqs.has(seq)) problems.push(problem('conflated', watch, `${path} has no op ${seq}`));
    }
  }
  return problems;
}

/** The ops that a subscription must have been told of: of each commit, the last at each path it watches. */
function due(watch: WatchHistory, resyncs: readonly Span[], truth: Truth): readonly Op[] {
  return truth.commits
    .filter(({ first, last }) => first > watch.from && last <= watch.through)
    .filter(({ last }) => !isIn(resyncs, last))
    .flatMap(({ ops }) => lastOfEachPath(ops.filter(({ path }) => watches(watch, path))));
}

/** Where own writes are shown when made, what comes of them is not news of the log, and has its own order. */
function isOwnView({ mode }: WatchHistory, { own }: WatchEvent): boolean {
  return mode !== 'committed' && own;
}

/** Where in the events a change is told: by its seq and path. */
function placesOf(watch: WatchHistory): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>();
  watch.events.forEach((event, index) => {
    if (!isLive(event)) return;
    const key = `${event.seq} ${event.path}`;
    const same = places.get(key);
    if (same === undefined) places.set(key, [index]);
    else same.push(index);
  });
  return places;
}

/** Where an op is told: under its own seq, or that of a later op of its commit that changed the same place. */
function toldOf(op: Op, places: ReadonlyMap<string, readonly number[]>): readonly number[] {
  const told: number[] = [];
  for (let { seq } = op; seq <= (op.tx ?? op.seq); seq++) {
    told.push(...(places.get(`${seq} ${op.path}`) ?? []));
  }
  return told;
}

function isOneRun(
  { events }: WatchHistory,
  places: readonly number[],
  { first, last }: Pick<Commit, 'first' | 'last'>,
): boolean {
  return events
    .slice(Math.min(...places), Math.max(...places))
    .every((event) => isLive(event) && event.seq >= first && event.seq <= last);
}

function isOverwritten(seq: Seq, truth: Truth): boolean {
  const op = truth.at(seq);
  for (let later = seq + 1; later <= (op?.tx ?? 0); later++) {
    if (truth.at(later)?.path === op?.path) return true;
  }
  return false;
}

function lastOfEachPath(ops: readonly Op[]): readonly Op[] {
  return [...new Map(ops.map((op) => [op.path, op])).values()];
}

function byPath<T extends { readonly path: Path }>(items: readonly T[]): Map<Path, T[]> {
  const groups = new Map<Path, T[]>();
  for (const item of items) {
    const group = groups.get(item.path);
    if (group === undefined) groups.set(item.path, [item]);
    else group.push(item);
  }
  return groups;
}

function isIn(spans: readonly Span[], seq: Seq): boolean {
  return spans.some(([after, through]) => seq > after && seq <= through);
}

const patterns = new Map<string, Pattern | null>();

function watches({ pattern }: WatchHistory, path: Path): boolean {
  let parsed = patterns.get(pattern);
  if (parsed === undefined) {
    const read = parseGlob(pattern);
    parsed = isRefusal(read) ? null : read;
    patterns.set(pattern, parsed);
  }
  return parsed !== null && matches(parsed, segmentsOf(path));
}

function problem(word: string, watch: WatchHistory, text: string): Problem {
  return { word, text: `${watch.name}: ${text}` };
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : jsonEquals(a, b);
}

function show(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

/** The first leaf that differs, in words; null where none does. */
export function firstDifference(
  found: readonly (readonly [Path, Json])[],
  wanted: readonly (readonly [Path, Json])[],
): string | null {
  const all = new Map(wanted);
  for (const [path, value] of found) {
    if (!isSame(all.get(path), value)) {
      return `${path} ${show(value)} instead of ${show(all.get(path))}`;
    }
    all.delete(path);
  }
  const [missing] = all;
  return missing === undefined ? null : `nothing at ${missing[0]} instead of ${show(missing[1])}`;
}
