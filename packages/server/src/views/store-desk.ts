import type { LoneRequest } from '@holdfast/engine/authority';
import { type FileWrite, type PathGrants, readIn, type Scope, Tree } from '@holdfast/engine/data';
import type { Veil } from '@holdfast/engine/gate';
import { isAlike } from '@holdfast/engine/view';
import {
  type Entry,
  HoldfastError,
  isRefusal,
  parseStoreName,
  type Path,
  type Refusal,
  refuse,
  type Request,
  RejectedError,
  type Seq,
  type StoreName,
} from '@holdfast/protocol';
import {
  fullPrincipal,
  grantsOf,
  grantsUnder,
  mayUseStore,
  type Principal,
  refuseScope,
  rightsOf,
} from '../access/index.ts';
import type { Files } from '../files/index.ts';
import type { Clock } from '../host/clock.ts';
import type { StoreDoor } from '../host/door.ts';
import { verdictInTime } from '../storage/in-time.ts';
import type { StoreRow } from '../storage/port.ts';
import { type Read, SharedReads } from './shared-reads.ts';

/** What a desk needs of the server. */
export type StoreDeskRoom = Pick<StoreDoor, 'openStore' | 'lookFor'> & {
  readonly findStore: (name: StoreName) => Promise<StoreRow | null>;
  readonly newId: () => string;
  readonly report: (what: string, error: unknown) => void;
  readonly clock: Pick<Clock, 'setTimeout' | 'clearTimeout'>;
  readonly files: Pick<Files, 'judge'>;
  /** What records hide from a principal; absent: there are none. */
  readonly veilOf?: (
    principal: Principal,
    store: Pick<OpenStore, 'row' | 'valueAt'>,
  ) => Veil | null;
};

type OpenStore = Awaited<ReturnType<StoreDoor['openStore']>>;

type Shared = {
  /** Another one once its host has stopped. */
  store: OpenStore;
  /** It was purged: there is nothing to be read of it any more. */
  isGone: boolean;
  /** There is another one of its name by now, which whoever reads it has to open. */
  isReplaced: boolean;
  unfollow: () => void;
  readonly reads: SharedReads;
  users: number;
};

/** A store that could not be opened again is tried after so long; as long is waited for another one of its name. */
const AGAIN_MS = 1000;

/** The device of every write that server code does for a view. */
const deviceId = 'system:views';

/** The stores that views use, each followed once, whoever reads it: a commit costs what it changes of what was read. */
export class StoreDesk {
  readonly #room: StoreDeskRoom;
  readonly #shared = new Map<string, Promise<Shared>>();

  constructor(room: StoreDeskRoom) {
    this.#room = room;
  }

  /**
   * Opens a store for the server itself, null, or a principal. Rejects where there is none, or it may not be used. `mayStill`:
   * whether the principal still has those rights.
   */
  async open(
    name: string,
    user: Principal | null,
    mayStill: () => Promise<boolean> = async () => true,
  ): Promise<OpenedStore> {
    const parsed = parseStoreName(name);
    const row = parsed === null ? null : await this.#room.findStore(parsed);
    if (row === null || row.status !== 'active') {
      throw new HoldfastError('unauthorized', { store: name });
    }
    const refusal =
      user === null
        ? null
        : (refuseUser(user, row) ?? (await refuseGone(this.#room.clock, mayStill)));
    if (refusal !== null) throw RejectedError.from(refusal);
    const shared = await this.#share(row.id);
    const release = (): void => this.#release(row.id, shared);
    if (user === null) return new OpenedStore(shared, { room: this.#room, user: null, release });
    const valueAt: OpenStore['valueAt'] = (path) => shared.store.valueAt(path);
    const veil = this.#room.veilOf?.(user, { row, valueAt }) ?? null;
    const rest =
      veil && this.#room.lookFor({ veil, turned: (paths) => shared.reads.lookAt(paths) });
    return new OpenedStore(shared, {
      room: this.#room,
      user: { principal: user, veil, mayStill },
      release: () => {
        rest?.();
        release();
      },
    });
  }

  async #share(id: string): Promise<Shared> {
    const opening = this.#shared.get(id) ?? this.#load(id);
    this.#shared.set(id, opening);
    const isKept = (): boolean => this.#shared.get(id) === opening;
    try {
      const shared = await opening;
      // Its last user has let go of it just now.
      if (!isKept()) return await this.#share(id);
      shared.users += 1;
      return shared;
    } catch (error) {
      if (isKept()) this.#shared.delete(id);
      throw error;
    }
  }

  /** The host of a store has stopped: who uses it goes on with what is stored, and with nothing where it was purged. */
  async #reopen(id: string): Promise<void> {
    const opening = this.#shared.get(id);
    const shared = await opening;
    if (shared === undefined) return;
    const isUsed = (): boolean => this.#shared.get(id) === opening;
    const store = await this.#openedAgain(id, isUsed);
    if (!isUsed()) {
      store?.release();
      return;
    }
    shared.isGone = store === null;
    if (store !== null) {
      shared.unfollow();
      shared.store.release();
      shared.store = store;
      shared.unfollow = this.#followed(id, shared);
    }
    shared.reads.lookAtAll();
    if (shared.isGone) await this.#outlast(shared, isUsed);
  }

  /** Looks for another store of the name of one that was purged, for all who use that. */
  async #outlast(shared: Shared, isUsed: () => boolean): Promise<void> {
    const { findStore, clock, report } = this.#room;
    const { name } = shared.store.row;
    while (isUsed() && !shared.isReplaced) {
      // oxlint-disable-next-line no-await-in-loop -- one look after the other
      await new Promise<void>((resolve) => clock.setTimeout(resolve, AGAIN_MS));
      // oxlint-disable-next-line no-await-in-loop -- the same
      const row = await findStore(name).catch((error: unknown) => {
        report('a store was not found again', error);
        return null;
      });
      shared.isReplaced = row?.status === 'active';
    }
    shared.reads.turnAll();
  }

  /** Tried until it can be: what is used is a host that answers nothing any more. Null: it was purged, or nobody uses it now. */
  async #openedAgain(id: string, isUsed: () => boolean): Promise<OpenStore | null> {
    const { openStore, clock, report } = this.#room;
    while (isUsed()) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- until it is open
        return await openStore(id);
      } catch (error) {
        if (error instanceof HoldfastError && error.code === 'unauthorized') return null;
        report('a store was not reopened', error);
        // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
        await new Promise<void>((resolve) => clock.setTimeout(resolve, AGAIN_MS));
      }
    }
    return null;
  }

  async #load(id: string): Promise<Shared> {
    const store = await this.#room.openStore(id);
    const reads = new SharedReads();
    const state = { isGone: false, isReplaced: false, users: 0 };
    const shared = { ...state, store, reads, unfollow: () => undefined };
    return Object.assign(shared, { unfollow: this.#followed(id, shared) });
  }

  /** Looks at what a commit may concern, and opens it afresh once its host has stopped. */
  #followed(id: string, { store, reads }: Pick<Shared, 'store' | 'reads'>): () => void {
    store.onLost(() => {
      this.#reopen(id).catch((error: unknown) => {
        this.#room.report('a store was not reopened', error);
      });
    });
    return store.follow((ops) => reads.lookAt(ops.map(({ path }) => path)));
  }

  #release(id: string, shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    this.#shared.delete(id);
    shared.unfollow();
    shared.store.release();
  }
}

function refuseUser(user: Principal, row: StoreRow): Refusal | null {
  return mayUseStore(user, row) ? refuseScope(user, 'entries:read') : refuse('store_not_allowed');
}

/** Why somebody who may have gone meanwhile may do no more; null: they may. */
async function refuseGone(
  clock: StoreDeskRoom['clock'],
  mayStill: User['mayStill'],
): Promise<Refusal | null> {
  const verdict = await verdictInTime(clock, mayStill);
  if (verdict === true) return null;
  return verdict === false
    ? refuse('unauthorized')
    : refuse('unavailable', { retry_after_ms: AGAIN_MS });
}

/** Gives what it gave before while that is alike: what is seen through a veil is put together anew for each look. */
function steady(now: () => unknown): () => unknown {
  let last: unknown;
  return () => {
    const next = now();
    if (!isAlike(next, last)) last = next;
    return last;
  };
}

/** A principal, and what the records of a store hide from it. */
type User = {
  readonly principal: Principal;
  readonly veil: Veil | null;
  /** Whether the principal still has the rights by which they came (stores.md §11.3). */
  readonly mayStill: () => Promise<boolean>;
};

const whole: PathGrants = grantsOf(null);

/** One store, open for one user. */
export class OpenedStore {
  readonly #shared: Shared;
  readonly #room: StoreDeskRoom;
  /** Null: the server itself. */
  readonly #user: User | null;
  /** What path rules let the user read. */
  readonly #rules: Scope;
  /** That, without what records hide. */
  readonly #read: Scope;
  readonly #release: () => void;

  constructor(
    shared: Shared,
    of: {
      readonly room: StoreDeskRoom;
      readonly user: User | null;
      readonly release: () => void;
    },
  ) {
    this.#shared = shared;
    this.#room = of.room;
    this.#user = of.user;
    const { principal = null, veil = null } = of.user ?? {};
    this.#rules = grantsOf(principal?.pathRules ?? null).read;
    this.#read = principal === null ? whole.read : grantsUnder(principal, veil).read;
    this.#release = of.release;
  }

  get id(): string {
    return this.#shared.store.row.id;
  }

  /** Another store has its name by now. */
  get isReplaced(): boolean {
    return this.#shared.isReplaced;
  }

  /** Stands for who reads, where not everybody reads the same. */
  get reader(): string {
    return this.#user?.veil?.name ?? '';
  }

  get #tree(): Tree {
    const { isGone, store } = this.#shared;
    return isGone ? Tree.empty() : store.view().tree;
  }

  /** What is at a path, as far as records show it (records.md §17). */
  valueAt(path: Path): unknown {
    return readIn(this.#tree, this.#read, path)?.value;
  }

  /** The leaves at a path and below it, as far as records show them; null: all. */
  *entries(under: Path | null): Generator<Entry, void, undefined> {
    for (const entry of this.#tree.entries(under === null ? {} : { under })) {
      if (this.#read.isWhole || this.#read.covers(entry.path)) yield entry;
    }
  }

  /** Throws where path rules keep the user from what is at the path or below; null: from anything. */
  assertReadable(path: Path | null): void {
    const read = this.#rules;
    if (path === null ? read.isWhole : read.coversSubtree(path)) return;
    throw RejectedError.from(refuse('path_not_allowed', { path }));
  }

  /** Calls back after each commit by which something read became another. Under a veil it is read for this user alone: it turns when its own rules do. */
  watch({ key, under, now }: Read, changed: () => void): () => void {
    if (!this.#user?.veil) return this.#shared.reads.follow({ key, under, now }, changed);
    const read = { key: null, under: this.#groundOf(under), now: steady(now) };
    return this.#shared.reads.follow(read, changed);
  }

  /** What an object shows of itself may depend on all of it. */
  #groundOf(path: Path | null): Path | null {
    const objects = path === null ? [] : (this.#user?.veil?.objectsAround(path) ?? []);
    return objects.toSorted((a, b) => a.length - b.length)[0] ?? path;
  }

  /** Commits a request; the seq at which it is a fact. Rejects where it is refused. */
  async write(request: Request | FileWrite | Refusal): Promise<Seq> {
    const { isGone, store } = this.#shared;
    const principal = this.#user?.principal ?? null;
    const unscoped = principal === null ? null : refuseScope(principal, 'entries:write');
    const refusal = isGone ? refuse('unauthorized') : unscoped;
    if (refusal !== null) throw RejectedError.from(refusal);
    const submitted = {
      deviceId,
      opId: this.#room.newId(),
      fingerprint: 0,
      principal: principal?.subject ?? null,
      request,
      rate: null,
      ...(await this.#rights(request)),
    };
    const answer = await store.write(submitted, this.#user?.mayStill);
    if (isRefusal(answer)) throw RejectedError.from(answer);
    return 'store_seq' in answer ? answer.store_seq : 0;
  }

  /** The server itself names the files that the store holds, as everybody does. */
  async #rights(
    request: Request | FileWrite | Refusal,
  ): Promise<Pick<LoneRequest, 'caller' | 'grants' | 'files'>> {
    const { principal = fullPrincipal({ subject: null }), mayStill } = this.#user ?? {};
    const refusal = mayStill ? await refuseGone(this.#room.clock, mayStill) : null;
    if (refusal !== null) throw RejectedError.from(refusal);
    const files = await this.#room.files.judge(principal, this.id, request);
    return this.#user === null ? { files } : { ...rightsOf(principal, this.#user.veil), files };
  }

  release(): void {
    this.#release();
  }
}
