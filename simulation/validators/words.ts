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
  const lastOf = new Map<Path, Seq>();
  let last = 0;
  for (const event of watch.events) {
    if (event.op === 'present' && last > 0) {
      problems.push(
        problem('ordered', watch, `what is present at ${event.path} after seq ${last}`),
      );
    }
    if (!isLive(event)) continue;
    const before = watch.policy === 'every' ? last : (lastOf.get(event.path) ?? 0);
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
    if (event.seq === null || event.op === 'refused') continue;
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
  const places = new Map<Seq, number>();
  watch.events.forEach((event, index) => {
    if (isLive(event)) places.set(event.seq, index);
  });
  for (const { first, last, ops } of truth.commits) {
    if (first === last || first <= watch.from || isIn(client.resyncs, first)) continue;
    const wanted = lastOfEachPath(ops.filter(({ path }) => watches(watch, path)));
    const found = wanted.flatMap(({ seq }) => places.get(seq) ?? []);
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
    const heard = new Set(watch.events.filter(isLive).map(({ seq }) => seq));
    for (const { seq } of due(watch, client.resyncs, truth)) {
      if (watch.policy === 'every' && !heard.has(seq)) {
        problems.push(problem('reliable', watch, `seq ${seq} is never told`));
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
  const counts = new Map<Seq, number>();
  for (const event of watch.events) {
    if (isLive(event)) counts.set(event.seq, (counts.get(event.seq) ?? 0) + 1);
  }
  const wanted = new Set(due(watch, client.resyncs, truth).map(({ seq }) => seq));
  for (const cursor of client.resumes) {
    for (const seq of [cursor, cursor + 1]) {
      const times = counts.get(seq) ?? 0;
      if (wanted.has(seq) && times !== 1) {
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
  let commit: Seq | null = null;
  let before = belief;
  const problems: Problem[] = [];
  for (const event of watch.events) {
    const tx = isLive(event) ? (truth.at(event.seq)?.tx ?? null) : null;
    if (tx !== commit) before = tx === null ? belief : belief.fork();
    commit = tx;
    // In a commit two paths may lie in one another; nobody was shown a state amid a commit.
    const known = before.read(event.path);
    if (!isSame(known, event.previous)) {
      const told = `${show(event.previous)} instead of ${show(known)}`;
      problems.push(problem('previous', watch, `${event.path} at ${event.seq}: ${told}`));
    }
    belief.hear(event);
  }
  return problems;
}

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
