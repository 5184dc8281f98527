import { backoffMs, type SyncTransport } from '@holdfast/engine/record';
import type { Limits, RecordDef, SourceDef } from '@holdfast/protocol';
import type { Files } from '../files/index.ts';
import type { Clock } from '../host/clock.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { type Feed, type FeedMessage, Feeds } from './feeds.ts';
import { type RecordOptions, rulesOf } from './options.ts';
import { Locks } from './locks.ts';
import { publishTo } from './publish.ts';
import type { RecordFault, Records } from './records.ts';
import { type SourceOptions, Sources } from './sources.ts';
import {
  serverRecord,
  type ServerRecord,
  serverTransact,
  type ServerTransact,
} from './server-record.ts';
import { type MountedRecords, mountRecords, type SyncOptions } from './mounted.ts';
import type { Voucher } from './vouched.ts';
import { type SseOptions, type SyncHandler, syncHandler } from './sync-handler.ts';

/** What the program around a server does with records. */
export type RecordDesk = {
  readonly record: <R extends RecordDef>(def: R, options?: RecordOptions<R>) => ServerRecord<R>;
  readonly syncHandler: (options: SseOptions) => {
    readonly GET: SyncHandler;
    readonly POST: SyncHandler;
  };
  /** Serves a source by what computes it (records.md §15). Throws a `TypeError` unless there is exactly one policy. */
  readonly source: <D extends SourceDef>(def: D, options: SourceOptions<D>) => void;
  /** Has the source of these parameters run again, if somebody follows it. */
  readonly invalidateSource: (name: string, params: unknown) => void;
  readonly publish: (def: RecordDef, to: SyncTransport) => () => void;
  readonly transact: ServerTransact;
};

/** What a desk works with. */
export type DeskRoom = StoreDoor & {
  readonly clock: Clock;
  /** Aborts when the server begins to close. */
  readonly closing: AbortSignal;
  readonly records: Records;
  readonly storage: Pick<Storage, 'stores'>;
  readonly files: Pick<Files, 'judge' | 'ruleOf'>;
  readonly seeds: Voucher;
  readonly newId: () => string;
  readonly limits: Limits;
  readonly sync: SyncOptions | undefined;
  readonly tell: (fault: RecordFault) => void;
};

/** The records of a server, for its operator. */
export function recordDesk(room: DeskRoom): RecordDesk & { readonly mounted: MountedRecords } {
  const feeds = new Feeds(room);
  const sources = new Sources({
    ...room,
    random: Math.random,
    listen: (key, run) => listenTo({ room, feeds, key }, run),
  });
  const recordRoom = { ...room, locks: new Locks() };
  room.closing.addEventListener('abort', () => sources.close(), { once: true });
  return {
    mounted: mountRecords({ ...room, feeds, sources }, room.sync),
    syncHandler: (options) => syncHandler({ ...room, feeds, sources }, options),
    source: (def, options) => sources.declare(def, options),
    invalidateSource: (name, params) => sources.invalidate(name, params),
    record: (def, options = {}) => {
      const { writeSchema = null, mutations = {} } = options;
      room.records.declare({ def, writeSchema, mutations, ...rulesOf(options) });
      return serverRecord(recordRoom, def);
    },
    publish: (def, to) => publishTo({ ...room, random: Math.random }, def, to),
    transact: serverTransact(recordRoom),
  };
}

const everybody = { principal: { subject: null, scopes: new Set(['admin']) }, now: 0 };

type Listened = { readonly room: DeskRoom; readonly feeds: Feeds; readonly key: string };

/** Calls back whenever an object changes, and may have: when its store has been lost, it is followed anew. */
async function listenTo({ room, feeds, key }: Listened, run: () => void): Promise<() => void> {
  const ref = room.records.refOf(key);
  let feed: Feed | null = null;
  let isOver = false;
  let attempts = 0;
  const begin = async (): Promise<void> => {
    const begun = ref === null ? null : await feeds.follow(ref, everybody, hear);
    if (begun === null) throw new TypeError(`A source cannot listen to "${key}".`);
    if (isOver) begun.release();
    else feed = begun;
  };
  const again = async (): Promise<void> => {
    feed?.release();
    feed = null;
    try {
      await begin();
    } catch (error) {
      attempts += 1;
      // Once, and tried ever less often until there is news again.
      if (attempts === 1) room.tell({ phase: 'run', record: ref?.record.name ?? key, error });
      const waitMs = backoffMs(attempts, Math.random());
      room.clock.setTimeout(() => void (isOver ? null : again()), waitMs);
      return;
    }
    attempts = 0;
    if (!isOver) run();
  };
  const hear = (message: FeedMessage): void => void ('lost' in message ? again() : run());
  await begin();
  return () => {
    isOver = true;
    feed?.release();
  };
}
