import type { RecordContext, StoreName } from '@holdfast/protocol';
import { grantsOf, mayUseStore, type Principal } from '../access/index.ts';
import {
  type Asked,
  checkSse,
  serveRecords,
  type SseOptions,
  type SyncRoom,
} from './sync-handler.ts';
import type { Clock } from '../host/clock.ts';
import type { Storage } from '../storage/port.ts';

/** How a server serves records as server-sent events by itself (records.md §8.1). */
export type SyncOptions = Omit<SseOptions, 'authorize'> & {
  /**
   * Refines what the scopes and path rules of a principal let it read; `public`: everybody reads everything but what rules of
   * records hide. Default: the principal's rights alone decide.
   */
  readonly authorize?: SseOptions['authorize'];
};

/** Who asks for records at the server's own address, as far as it is known. */
export type Reader = {
  /** null: nobody known, where all may read. */
  readonly principal: Principal | null;
  /** Whether it is still whom it was. */
  readonly isStill: () => Promise<boolean>;
};

/** Records at `/api/records` of a server. */
export type MountedRecords = {
  /** Whether no token is needed. */
  readonly isPublic: boolean;
  /** Whether records bind a principal as they bind no service, in a store or, where none is said, in any. */
  binds(principal: Principal, store: StoreName | null): boolean;
  serve(asked: Omit<Asked, 'ctx'>, reader: Reader): Promise<Response>;
};

/** How long it holds who reads: less than from one look at the keys of a stream to the next. */
const FRESH_MS = 1000;

const nobody: RecordContext['principal'] = { subject: null, scopes: new Set() };

/** What mounting needs of the server. */
export type MountRoom = SyncRoom & { readonly storage: Pick<Storage, 'stores'> };

/** Serves records to whoever the server knows; throws a `TypeError` for an `authorize` that is none. */
export function mountRecords(room: MountRoom, options: SyncOptions = {}): MountedRecords {
  const { authorize: asks } = options;
  if (asks !== undefined) checkSse('createServer: "sync"', { ...options, authorize: asks });
  const isPublic = asks === 'public';
  return {
    isPublic,
    binds: (principal, store) => room.records.binds(principal, store),
    serve: (asked, { principal, isStill }) => {
      const ctx = {
        principal: principal === null ? nobody : { ...principal },
        now: room.clock.wall(),
      };
      const isStillThem = askedSeldom(isStill, room.clock);
      const authorize: SseOptions['authorize'] = async (_, key) => {
        if (principal === null) return isPublic;
        if (!(await isStillThem())) return false;
        if (isPublic) return true;
        if (!(await mayRead(room, principal, key))) return false;
        return asks === undefined || asks(ctx, key, asked.request);
      };
      return serveRecords(room, { ...options, authorize }, { ...asked, ctx });
    },
  };
}

/** Hundreds of keys of one stream are looked at one after the other, or together: who reads is the same for them. */
function askedSeldom(ask: () => Promise<boolean>, clock: Pick<Clock, 'now'>): typeof ask {
  let last: { readonly at: number; readonly answer: Promise<boolean> } | null = null;
  return () => {
    const at = clock.now();
    if (last === null || at - last.at >= FRESH_MS) last = { at, answer: ask() };
    return last.answer;
  };
}

/** What the principal's scopes, stores and path rules say of a key, whatever is there; of parts of it the feed takes care. */
async function mayRead(
  { storage, records }: MountRoom,
  principal: Principal,
  key: string,
): Promise<boolean> {
  if (!principal.scopes.has('entries:read')) return false;
  const ref = records.refOf(key);
  if (ref === null) return true;
  if (!grantsOf(principal.pathRules ?? null).read.reaches(ref.path)) return false;
  const row = await storage.stores.find(ref.store);
  // Whether there is a store that it may not use is nothing to it.
  return row !== null && mayUseStore(principal, row);
}
