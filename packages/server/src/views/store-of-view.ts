import type { FileWrite } from '@holdfast/engine/data';
import type { StoreAccess } from '@holdfast/engine/view';
import {
  HoldfastError,
  isRefusal,
  type Limits,
  literalPrefix,
  matches,
  parseGlob,
  parseTransact,
  parseWrite,
  type Refusal,
  refuse,
  RejectedError,
  renderPath,
  type Request,
  segmentsOf,
} from '@holdfast/protocol';
import type { Opening } from './openings.ts';
import type { Read } from './shared-reads.ts';
import type { OpenedStore } from './store-desk.ts';
import type {
  Committed,
  FenceGuard,
  PathInput,
  StoreLeaf,
  StoreTransaction,
  ViewStore,
  WriteGuard,
} from './store-handle.ts';
import { fileAt, pathOf, type Payload, TransactionOfView, WritesOfView } from './writes-of-view.ts';

/** A store as application code of one view uses it (views.md §11.2). */
export class StoreOfView extends WritesOfView<Promise<Committed>> implements ViewStore {
  readonly name: string;
  readonly ready: Promise<void>;
  #opening: Opening;
  readonly #access: StoreAccess;
  readonly #limits: Limits;

  constructor(opening: Opening, access: StoreAccess, limits: Limits) {
    super();
    this.name = opening.name;
    this.#opening = opening;
    this.#access = access;
    this.#limits = limits;
    this.ready = opening.ready.then(() => undefined);
    // Who does not await it hears of a failure when it reads.
    this.ready.catch(() => undefined);
  }

  /** The store itself, once it is open: the one that has the name now, however long the handle is held. */
  opened(): Promise<OpenedStore> {
    return this.#opening.newest().ready;
  }

  /** Where a file goes, and under what conditions. Throws a `TypeError` for what is no path or too long, whoever has put it together. */
  fileAt(path: PathInput, guard?: FenceGuard & WriteGuard): Omit<FileWrite, 'value'> {
    return fileAt(path, guard, this.#limits);
  }

  get(path: PathInput): unknown {
    const at = pathOf(path, this.#limits);
    const opened = this.#reading();
    opened.assertReadable(at);
    const now = (): unknown => opened.valueAt(at);
    this.#follow(opened, { key: `get ${at}`, under: at, now });
    return now();
  }

  entries(pattern: string = '**'): readonly StoreLeaf[] {
    const glob = parseGlob(pattern, this.#limits);
    if (isRefusal(glob)) throw new TypeError(`"${pattern}" is not a pattern: ${glob.code}.`);
    const opened = this.#reading();
    const prefix = literalPrefix(glob);
    const under = prefix.length === 0 ? null : renderPath(prefix);
    opened.assertReadable(under);
    const read = (): readonly StoreLeaf[] =>
      [...opened.entries(under)].filter(({ path }) => matches(glob, segmentsOf(path)));
    const now = (): string =>
      read()
        .map((leaf) => `${leaf.path} ${leaf.revision}`)
        .join('\n');
    this.#follow(opened, { key: `entries ${pattern}`, under, now });
    return Object.freeze(read());
  }

  #follow(opened: OpenedStore, read: Read): void {
    this.#access
      .tracker()
      ?.follow(`${opened.id} ${opened.reader} ${read.key}`, (changed) =>
        opened.watch(read, changed),
      );
  }

  transact(write: (tx: StoreTransaction) => void): Promise<Committed> {
    const transaction = new TransactionOfView();
    write(transaction);
    return this.#commit(parseTransact(transaction.payload, { limits: this.#limits }));
  }

  protected override emit(payload: Payload): Promise<Committed> {
    return this.#commit(parseWrite(payload, { dialect: 4, limits: this.#limits }));
  }

  #commit(request: Request | Refusal): Promise<Committed> {
    if (this.#access.isReadOnly()) throw new TypeError('render and watch cannot write to stores.');
    if (isRefusal(request)) return Promise.reject(RejectedError.from(request));
    return this.opened().then(async (opened) => ({ seq: await opened.write(request) }));
  }

  /** Where it is not open yet, `render` and `watch` wait for it; nobody else does. */
  #reading(): OpenedStore {
    const tracker = this.#access.tracker();
    const newest = this.#opening.newest();
    // Nobody else can wait: what was open is read until the next one is.
    if (tracker !== null || newest.opened !== null) this.#opening = newest;
    const { opened, failure, ready, name } = this.#opening;
    // What `render` and `watch` read is shown to nobody who has not the same rights again.
    if (tracker === null && !this.#opening.mayRead()) {
      throw RejectedError.from(refuse('unauthorized'));
    }
    if (opened !== null) return opened;
    if (tracker !== null) {
      // Where it cannot be opened nothing that was read tells of a change: that it is open at last is one.
      tracker.follow(this.#opening.key, this.#opening.onceOpen);
      return tracker.hold(ready);
    }
    if (failure !== null) throw failure.error;
    throw new HoldfastError('unavailable', { store: name }, `Await ready before reading ${name}.`);
  }
}
