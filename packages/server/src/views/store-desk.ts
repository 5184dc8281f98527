import type { FileWrite, PathGrants, Tree } from '@holdfast/engine/data';
import {
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
import { grantsOf, mayUseStore, type Principal, refuseScope } from '../access/index.ts';
import type { StoreDoor } from '../host/door.ts';
import type { StoreRow } from '../storage/port.ts';
import { WatchedPaths } from './watched-paths.ts';

/** What a desk needs of the server. */
export type StoreDeskRoom = Pick<StoreDoor, 'openStore'> & {
  readonly findStore: (name: StoreName) => Promise<StoreRow | null>;
  readonly newId: () => string;
  readonly report: (what: string, error: unknown) => void;
};

type OpenStore = Awaited<ReturnType<StoreDoor['openStore']>>;

/** Looks whether what it has read is another by now. */
type Watcher = { readonly look: () => void };

type Shared = {
  readonly store: OpenStore;
  readonly watchers: WatchedPaths<Watcher>;
  readonly unfollow: () => void;
  users: number;
};

/** The device of every write that server code does for a view. */
const deviceId = 'system:views';

/** The stores that views use, each followed once, whoever reads it: a commit costs what it changes of what was read. */
export class StoreDesk {
  readonly #room: StoreDeskRoom;
  readonly #shared = new Map<string, Promise<Shared>>();

  constructor(room: StoreDeskRoom) {
    this.#room = room;
  }

  /** Opens a store for the server itself, null, or a principal. Rejects where there is none, or it may not be used. */
  async open(name: string, user: Principal | null): Promise<OpenedStore> {
    const parsed = parseStoreName(name);
    const row = parsed === null ? null : await this.#room.findStore(parsed);
    if (row === null || row.status !== 'active') {
      throw new HoldfastError('unauthorized', { store: name });
    }
    const refusal = user === null ? null : refuseUser(user, row);
    if (refusal !== null) throw RejectedError.from(refusal);
    const shared = await this.#share(row.id);
    const { newId } = this.#room;
    return new OpenedStore(shared, { user, newId, release: () => this.#release(row.id, shared) });
  }

  async #share(id: string): Promise<Shared> {
    const opening = this.#shared.get(id) ?? this.#load(id);
    this.#shared.set(id, opening);
    try {
      const shared = await opening;
      shared.users += 1;
      return shared;
    } catch (error) {
      this.#shared.delete(id);
      throw error;
    }
  }

  async #load(id: string): Promise<Shared> {
    const store = await this.#room.openStore(id);
    const watchers = new WatchedPaths<Watcher>();
    const unfollow = store.follow((ops) => {
      if (watchers.isEmpty) return;
      const found = new Set<Watcher>();
      for (const { path } of ops) watchers.collect(path, found);
      for (const watcher of found) watcher.look();
    });
    return { store, watchers, unfollow, users: 0 };
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

/** One store, open for one user. */
export class OpenedStore {
  readonly #shared: Shared;
  readonly #user: Principal | null;
  readonly #grants: PathGrants | null;
  readonly #newId: () => string;
  readonly #release: () => void;

  constructor(
    shared: Shared,
    of: {
      readonly user: Principal | null;
      readonly newId: () => string;
      readonly release: () => void;
    },
  ) {
    const rules = of.user?.pathRules ?? null;
    this.#shared = shared;
    this.#user = of.user;
    this.#grants = rules === null ? null : grantsOf(rules);
    this.#newId = of.newId;
    this.#release = of.release;
  }

  get id(): string {
    return this.#shared.store.row.id;
  }

  /** The committed state. */
  get tree(): Tree {
    return this.#shared.store.view().tree;
  }

  /** Throws where path rules keep the user from what is at the path or below; null: from anything. */
  assertReadable(path: Path | null): void {
    const read = this.#grants?.read;
    if (read === undefined) return;
    if (path === null ? read.isWhole : read.coversSubtree(path)) return;
    throw RejectedError.from(refuse('path_not_allowed', { path }));
  }

  /** Calls back after each commit by which what `read` gives at the path, or below, became another. */
  watch(path: Path | null, read: () => unknown, changed: () => void): () => void {
    let last = read();
    const look = (): void => {
      const next = read();
      if (next === last) return;
      last = next;
      changed();
    };
    return this.#shared.watchers.add(path, { look });
  }

  /** Commits a request; the seq at which it is a fact. Rejects where it is refused. */
  async write(request: Request | FileWrite | Refusal): Promise<Seq> {
    const refusal = this.#user === null ? null : refuseScope(this.#user, 'entries:write');
    if (refusal !== null) throw RejectedError.from(refusal);
    const answer = await this.#shared.store.write({
      deviceId,
      opId: this.#newId(),
      fingerprint: 0,
      principal: this.#user?.subject ?? null,
      request,
      rate: null,
      ...(this.#grants !== null && { grants: this.#grants }),
    });
    if (isRefusal(answer)) throw RejectedError.from(answer);
    return 'store_seq' in answer ? answer.store_seq : 0;
  }

  release(): void {
    this.#release();
  }
}
