import {
  type DiffLine,
  type Entry,
  type EntryPage,
  type EpochMs,
  HoldfastError,
  isRefusal,
  type Json,
  type LeafType,
  type LogLine,
  type OpId,
  type OpName,
  type Path,
  readDifference,
  readEntry,
  readEntryPage,
  readLog,
  readPathPage,
  type Refusal,
  RejectedError,
  type Seq,
} from '@holdfast/protocol';
import { type Page, pageOf, type PageOptions, type Select } from './listing.ts';
import { checkOptions } from './mistakes.ts';
import {
  answerOf,
  arrival,
  Patience,
  send,
  settled,
  type StoreDesk,
  type StoreRequest,
  whileOpen,
} from './store-call.ts';
import { patternOf } from './watch.ts';
import { type PathInput, placeOf } from './writes.ts';

/** An op as it was committed (stores.md §13.2.1). */
export type HistoryOp = {
  readonly seq: Seq;
  readonly op: OpName;
  readonly path: Path;
  /** What it left there; null where it removed. */
  readonly value: Json;
  /** What it was asked with, where that is another than the value: what an increment added, say. */
  readonly arg: Json;
  readonly type: LeafType;
  /** Who made it: the device of a client, or a surface of the server. */
  readonly deviceId: string;
  readonly opId: OpId;
  /** The last seq of its transaction; null where it is alone. */
  readonly tx: Seq | null;
  /** When it was committed, by the server's clock. */
  readonly at: EpochMs;
};

/** Which ops of the log. */
export type HistoryOptions = {
  /** Only at the paths that a pattern matches. */
  readonly path?: string;
  /** Only by this device. */
  readonly deviceId?: string;
  readonly op?: OpName;
  /** Not before, and not after, in epoch milliseconds. */
  readonly since?: EpochMs;
  readonly until?: EpochMs;
  /** Only before this seq: the `next` of the page before. */
  readonly before?: Seq;
  /** At most so many, up to 1000; default 50. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
};

/** Ops, newest first; `next` goes into `before`, and is null at the end. After a page that is just full an empty one may come. */
export type HistoryPage = { readonly items: readonly HistoryOp[]; readonly next: Seq | null };

/** A leaf that differs; what is undefined was, or is, not there. */
export type DiffChange = {
  readonly path: Path;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  readonly beforeType: LeafType | undefined;
  readonly afterType: LeafType | undefined;
};

/** The net change after `from`, up to and with `to`, in path order. */
export type Diff = {
  readonly from: Seq;
  readonly to: Seq;
  readonly changes: readonly DiffChange[];
};

/** Where to go back to. */
export type RollbackOptions = {
  /** The seq of the state that is wanted again. */
  readonly to: Seq;
  /** This path and what is below it; absent: the whole store. */
  readonly path?: PathInput;
  readonly signal?: AbortSignal;
};

/** How a rollback went: `changed` is false where all was as it had been, and nothing was written. */
export type Rollback = { readonly seq: Seq; readonly changed: boolean };

const opsMax = 1000;
const pageMax = 1000;

const historyKinds = {
  path: 'string',
  deviceId: 'string',
  op: 'string',
  since: 'number',
  until: 'number',
  before: 'number',
  limit: 'number',
  signal: 'object',
};

/** Lists ops of the log. */
export async function history(desk: StoreDesk, options: HistoryOptions = {}): Promise<HistoryPage> {
  checkOptions('history', options, historyKinds);
  // Without `before_seq` the server would count all there is.
  const { before = Number.MAX_SAFE_INTEGER, limit = 50, path, deviceId, op, signal } = options;
  checkSeq('history: "before"', before);
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= opsMax)) {
    throw new RangeError(`history: "limit" must be a whole number from 1 to ${opsMax}.`);
  }
  const query = {
    before_seq: before,
    limit,
    path: path === undefined ? path : patternOf(path).source,
    device_id: deviceId,
    op,
    since: instantOf(options.since),
    until: instantOf(options.until),
  };
  const lines = known(readLog(await read(desk, { route: 'log', query }, signal)));
  const items = lines.map(opOf);
  const last = items.length < limit ? null : (items.at(-1)?.seq ?? null);
  return { items, next: last === 1 ? null : last };
}

function instantOf(at: EpochMs | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

/** The leaf, or the map of those below it, that was at a path. */
export async function entryAt(
  desk: StoreDesk,
  seq: Seq,
  path: PathInput,
): Promise<Entry | undefined> {
  checkSeq('at', seq);
  const query = { path: placeOf(path), at_seq: seq };
  const answer = await read(desk, { route: 'entry', query }).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
  return answer === null ? undefined : known(readEntry(answer));
}

type Listing = {
  readonly seq: Seq;
  readonly pattern: string;
  readonly options: PageOptions & { readonly select?: Select };
};

/** Page after page, until there are as many as are wanted: the past does not change in between. */
export async function entriesAt(
  desk: StoreDesk,
  { seq, pattern, options }: Listing,
): Promise<Page<Entry | Path>> {
  checkSeq('at', seq);
  const { limit = Infinity, select = 'entries', order = 'asc', after } = pageOf('entries', options);
  const { source } = patternOf(pattern);
  const items: (Entry | Path)[] = [];
  for (let next: string | undefined = after; ;) {
    const size = Math.min(limit - items.length, pageMax);
    const query = { pattern: source, at_seq: seq, select, order, limit: size, after: next };
    // oxlint-disable-next-line no-await-in-loop -- each page begins where the one before ends
    const answer = await read(desk, { route: 'entries', query });
    const page: EntryPage<Entry | Path> = known(
      select === 'entries' ? readEntryPage(answer) : readPathPage(answer),
    );
    items.push(...page.items);
    if (page.next === null || items.length >= limit) {
      return { items, next: page.next === null ? null : placeOf(page.next) };
    }
    next = page.next;
  }
}

/** What differs between two seqs. */
export async function diff(desk: StoreDesk, from: Seq, to?: Seq): Promise<Diff> {
  checkSeq('diff', from);
  if (to !== undefined) checkSeq('diff', to);
  const query = { from_seq: from, to_seq: to };
  const difference = known(readDifference(await read(desk, { route: 'diff', query })));
  return { ...difference, changes: difference.changes.map(changeOf) };
}

/** Goes back. */
export async function rollback(desk: StoreDesk, options: RollbackOptions): Promise<Rollback> {
  checkOptions('rollback', options, { to: 'number', path: 'string or object', signal: 'object' });
  const { to, path } = options;
  checkSeq('rollback: "to"', to);
  const body = JSON.stringify({ to_seq: to, ...(path !== undefined && { path: placeOf(path) }) });
  if (isAway(desk)) throw new HoldfastError('unavailable');
  const { signal, letGo } = whileOpen(desk, options.signal);
  try {
    // One key for all attempts: a commit whose answer was lost is answered again, and not made twice.
    const headers = {
      'content-type': 'application/json',
      'idempotency-key': `rollback-${desk.settings.env.randomId()}`,
    };
    const request = { method: 'POST', route: 'rollback', query: {}, headers, body } as const;
    const fields = await untilAnswered(desk, { ...request, signal }, () => false);
    const seq = Number(fields['store_seq']);
    const changed = fields['noop'] !== true && fields['ops_written'] !== 0;
    if (changed) await arrival(desk, seq, signal);
    return { seq, changed };
  } catch (error) {
    const isLost = error instanceof HoldfastError && error.code === 'unavailable';
    throw isLost ? new HoldfastError('outcome_unknown') : error;
  } finally {
    letGo();
  }
}

type Question = {
  readonly route: string;
  readonly query: { readonly [name: string]: string | number | undefined };
};

type Fields = { readonly [name: string]: unknown };

/** Asks for something; where there is no connection either, no longer than once. */
async function read(
  desk: StoreDesk,
  { route, query }: Question,
  given?: AbortSignal,
): Promise<Fields> {
  const { signal, letGo } = whileOpen(desk, given);
  const asked: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) asked[name] = String(value);
  }
  try {
    const request = { method: 'GET', route, query: asked, headers: {}, signal } as const;
    return await untilAnswered(desk, request, () => isAway(desk));
  } finally {
    letGo();
  }
}

async function untilAnswered(
  desk: StoreDesk,
  request: StoreRequest,
  givesUp: () => boolean,
): Promise<Fields> {
  const { signal } = request;
  for (const patience = new Patience(desk); ;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- until there is an answer
      return (await answerOf(await send(desk, request), signal)).fields;
    } catch (error) {
      if (givesUp()) throw settled(error, signal);
      // oxlint-disable-next-line no-await-in-loop -- before the next attempt
      await patience.wait(error, signal);
    }
  }
}

/** Whether it is the path that nothing is at; for an unknown store is not found either, and names none. */
function isAbsent(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === 'not_found' && 'path' in error.details;
}

function isAway({ connection }: StoreDesk): boolean {
  return connection.get().connection !== 'connected';
}

function known<T>(answer: T | Refusal): T {
  if (isRefusal(answer)) throw RejectedError.from(answer);
  return answer;
}

function checkSeq(of: string, seq: Seq): void {
  if (!(Number.isSafeInteger(seq) && seq >= 0)) {
    throw new RangeError(`${of} needs a seq: a whole number from 0.`);
  }
}

function opOf(line: LogLine): HistoryOp {
  const { store_seq: seq, op, path, value, arg, type, tx } = line;
  const { device_id: deviceId, client_op_id: opId } = line;
  return { seq, op, path, value, arg, type, deviceId, opId, tx, at: Date.parse(line.inserted_at) };
}

function changeOf(line: DiffLine): DiffChange {
  const { path, before, after, before_type: was, after_type: is } = line;
  return {
    path,
    before: was === null ? undefined : before,
    after: is === null ? undefined : after,
    beforeType: was ?? undefined,
    afterType: is ?? undefined,
  };
}
