import type { Scope, Tree } from '@holdfast/engine/data';
import { Envelopes, type ObjectChange, recordedVersion } from '@holdfast/engine/gate';
import { isSameMajor, migrate } from '@holdfast/engine/record';
import type { Json, RecordContext, RecordRef } from '@holdfast/protocol';
import {
  canonicalJson,
  decodeStored,
  type Envelope,
  type HandshakeAnswer,
  type HandshakeRequest,
  passRecord,
} from '@holdfast/protocol/record';
import { fullPrincipal, grantsUnder } from '../access/index.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { envelopeOf } from './publish.ts';
import type { RecordFault, Records } from './records.ts';
import { hasTurned, Projections, type Sight } from './sight.ts';
import { isAsRendered } from './vouched.ts';

/** What a key has to say: what was asked for, or what is new. */
export type FeedMessage =
  | { readonly answer: HandshakeAnswer }
  | { readonly envelope: Envelope }
  /** Nothing comes any more: whoever wants to hear has to follow anew. */
  | { readonly lost: true };

/** One key, as one viewer has it. */
export type Feed = {
  /** What is there, measured by what the viewer has; `of`: of what the seq is that it is at. */
  answer(asked: HandshakeRequest, of: 'object' | 'store'): HandshakeAnswer;
  /** Whether something may be hidden from the viewer. */
  readonly isPart?: boolean;
  /** Where something may be hidden from the viewer: asks the rules anew, which change without a commit, and tells what is new. */
  readonly recheck?: () => void;
  release(): void;
};

/** What feeds need of the server. */
export type FeedRoom = Pick<StoreDoor, 'openStore'> & {
  readonly records: Records;
  readonly storage: Pick<Storage, 'stores'>;
  readonly tell: (fault: RecordFault) => void;
};

type Store = Awaited<ReturnType<StoreDoor['openStore']>>;

/** Hears of a change, and of the state that it led to. */
type Listener = {
  changed(change: ObjectChange, tree: Tree): void;
  lost(): void;
};

type StoreFeed = {
  readonly store: Store;
  readonly listeners: Listeners;
  readonly projections: Projections;
  stop(): void;
};

/** Who hears of which object, so that a change costs those who hear of it, however many hear of others. */
class Listeners {
  readonly #byPath = new Map<string, Set<Listener>>();

  add(path: string, listener: Listener): void {
    const known = this.#byPath.get(path);
    if (known === undefined) this.#byPath.set(path, new Set([listener]));
    else known.add(listener);
  }

  delete(path: string, listener: Listener): void {
    const known = this.#byPath.get(path);
    known?.delete(listener);
    if (known?.size === 0) this.#byPath.delete(path);
  }

  of(path: string): Iterable<Listener> {
    return this.#byPath.get(path) ?? [];
  }

  all(): readonly Listener[] {
    return [...this.#byPath.values()].flatMap((some) => Array.from(some));
  }
}

/** The objects of records that somebody follows one by one; each store is followed once for all of them. */
export class Feeds {
  readonly #room: FeedRoom;
  readonly #open = new Map<string, { readonly feed: Promise<StoreFeed>; users: number }>();

  constructor(room: FeedRoom) {
    this.#room = room;
  }

  /** Follows an object from now on; null where its store is none. */
  async follow(
    ref: RecordRef,
    ctx: RecordContext,
    hear: (message: FeedMessage) => void,
  ): Promise<Feed | null> {
    const row = await this.#room.storage.stores.find(ref.store);
    if (row === null) return null;
    const held = this.#hold(row.id);
    const { store, listeners, projections } = await held.feed;
    // Rules are asked of the state that is looked at, which may be older than the head.
    let state = store.view().tree;
    const valueAt: Store['valueAt'] = (path) => state.read(path)?.value;
    const veil = this.#room.records.veilOf(ctx.principal, { name: row.name, valueAt });
    const { pathRules = null } = fullPrincipal(ctx.principal);
    const isBounded = (veil ?? pathRules) !== null;
    const readable = isBounded ? grantsUnder({ pathRules }, veil).read : null;
    const look = (tree: Tree): Sight => {
      state = tree;
      return projections.lookAt(tree, readable, ref.path);
    };
    const object = new ObjectFeed(this.#room, { store, ref, readable, look, hear });
    const listener: Listener = {
      changed: (change, tree) => object.changed(change, tree),
      lost: () => hear({ lost: true }),
    };
    listeners.add(ref.path, listener);
    let isLive = true;
    return {
      answer: (asked, of) => object.answer(asked, of),
      isPart: isBounded,
      ...(veil !== null && {
        recheck: () => {
          state = store.view().tree;
          // Each of them, so that all are asked.
          const changed = [...veil.asked()].filter((each) => veil.hasChanged(each));
          if (changed.length > 0) object.looked(state);
        },
      }),
      release: () => {
        if (!isLive) return;
        isLive = false;
        listeners.delete(ref.path, listener);
        held.release();
      },
    };
  }

  #hold(id: string): { readonly feed: Promise<StoreFeed>; release(): void } {
    let held = this.#open.get(id);
    if (held === undefined) {
      held = { feed: this.#begin(id), users: 0 };
      this.#open.set(id, held);
      held.feed.catch(() => this.#open.delete(id));
    }
    const kept = held;
    kept.users += 1;
    return {
      feed: kept.feed,
      release: () => {
        kept.users -= 1;
        if (kept.users > 0) return;
        if (this.#open.get(id) === kept) this.#open.delete(id);
        void kept.feed.then((feed) => feed.stop());
      },
    };
  }

  async #begin(id: string): Promise<StoreFeed> {
    const store = await this.#room.openStore(id);
    const envelopes = new Envelopes(store.view().tree, this.#room.records.of(store.row.name));
    const listeners = new Listeners();
    const unfollow = store.follow((ops) => {
      for (const changes of envelopes.commits(ops)) {
        for (const change of changes) {
          for (const each of listeners.of(change.path)) each.changed(change, envelopes.tree);
        }
      }
    });
    store.onLost(() => {
      this.#open.delete(id);
      for (const each of listeners.all()) each.lost();
    });
    const stop = (): void => {
      unfollow();
      store.release();
    };
    return { store, listeners, stop, projections: new Projections() };
  }
}

type Following = {
  readonly store: Store;
  readonly ref: RecordRef;
  /** null: nothing is hidden, whatever the values are. */
  readonly readable: Scope | null;
  readonly look: (tree: Tree) => Sight;
  readonly hear: (message: FeedMessage) => void;
};

/** What is seen of an object of which something is. */
type Visible = Sight & { readonly value: Json };

/** One object, as one viewer has it: what is hidden is left out, and a commit of hidden fields only is no news. */
class ObjectFeed {
  readonly #room: FeedRoom;
  readonly #of: Following;
  #told: Sight | null = null;
  #sequence = 0;
  /** The view that the viewer was told last. */
  #view: string | null = null;

  constructor(room: FeedRoom, of: Following) {
    this.#room = room;
    this.#of = of;
  }

  answer(asked: HandshakeRequest, of: 'object' | 'store' = 'object'): HandshakeAnswer {
    const { store, look } = this.#of;
    const { key } = asked;
    const { tree, seq } = store.view();
    const sight = look(tree);
    const { value, sequence } = sight;
    const visible = value === undefined ? null : { ...sight, value };
    this.#told = sight;
    this.#view = asked.view ?? null;
    // What is hidden as a whole is like what is not there (stores.md §11.2.4), and so is what cannot be shown without it.
    if (visible === null || !this.#passes(visible)) {
      this.#sequence = seq;
      return { key, type: 'gone', incarnation: store.row.incarnation, sequence: seq };
    }
    this.#sequence = sequence;
    return this.#skew(asked, visible) ?? this.#snapshot(asked, visible, { head: seq, of });
  }

  #snapshot(
    asked: HandshakeRequest,
    sight: Visible,
    { head, of }: { readonly head: number; readonly of: 'object' | 'store' },
  ): HandshakeAnswer {
    const { key, sequence: has = -1 } = asked;
    const { store } = this.#of;
    const { view, sequence } = sight;
    this.#view = view;
    const envelope = this.#envelope(sight);
    const isUpTo = asked.incarnation === store.row.incarnation && has >= sequence && has <= head;
    // Whoever has later than the last of it was told that it is gone, or of another part.
    const isThat = isUpTo && (of === 'store' || has === sequence);
    const isSame = isThat && this.#viewAt(asked, envelope, view) === view;
    if (isSame) return { key, view, type: 'current' };
    // It would not take what is no newer than what it has.
    const isReset = isUpTo || (asked.view !== undefined && asked.view !== view);
    return {
      key,
      view,
      type: 'snapshot',
      envelope,
      ...(isReset && { reset: true }),
    };
  }

  /**
   * The view that somebody has: of whom something may be hidden, only the one that it names is known, or what it has from a
   * page; null: not known.
   */
  #viewAt(asked: HandshakeRequest, envelope: Envelope, view: string): string | null {
    if (asked.view !== undefined) return asked.view;
    return this.#of.readable === null || isAsRendered(asked, envelope) ? view : null;
  }

  /** Rules say otherwise by now, though nothing was committed. */
  looked(tree: Tree): void {
    const { ref, store, look, hear } = this.#of;
    const view = this.#told?.view;
    if (view === undefined || look(tree).view === view) return;
    const key = `rec/${store.row.name}/${ref.path}`;
    const { name: record, version } = ref.record;
    hear({ answer: this.answer({ key, record, params: {}, client_version: version, view }) });
  }

  changed(change: ObjectChange, tree: Tree): void {
    const { ref, readable, look } = this.#of;
    if (change.def !== ref.record || change.path !== ref.path) return;
    const before = this.#told;
    // The answer is still to come, and has it.
    if (before === null && readable !== null) return;
    const now = look(tree);
    this.#told = now;
    if (before !== null && sameJson(before.value, now.value)) return;
    if (before === null || readable === null) this.#hearChange(change, now);
    else this.#hearNews(change, before, now);
  }

  /** Tells whom something is hidden from. */
  #hearNews(change: ObjectChange, before: Sight, now: Sight): void {
    const { ref, store, hear } = this.#of;
    const { value, view, sequence } = now;
    const key = `rec/${store.row.name}/${ref.path}`;
    if (value === undefined) {
      this.#hearChange(change, now);
      return;
    }
    // What was hidden came, or what was seen is gone (records.md §17).
    const isTurned = hasTurned(before, now);
    const isReset = isTurned || sequence <= this.#sequence;
    if (!isReset && (this.#view ?? view) === view) {
      this.#hearChange({ ...change, sequence }, now);
      return;
    }
    if (!this.#passes({ ...now, value })) {
      // What may be seen no more leaves the client; else it keeps what it has.
      if (isTurned) this.#hearChange(change, { value: undefined });
      return;
    }
    // Who comes back is known by the view, so that has to be of what it has.
    this.#view = view;
    this.#sequence = sequence;
    const envelope = this.#envelope({ ...now, value });
    hear({ answer: { key, view, type: 'snapshot', envelope, ...(isReset && { reset: true }) } });
  }

  #hearChange(change: ObjectChange, { value }: Pick<Sight, 'value'>): void {
    const { store, hear } = this.#of;
    const version = this.#version;
    const told = { ...change, value, prev: this.#sequence };
    try {
      hear({ envelope: envelopeOf(told, { version, incarnation: store.row.incarnation }) });
      // What was skipped is nothing that anybody has missed.
      this.#sequence = change.sequence;
    } catch (error) {
      this.#failed(error);
    }
  }

  /** That of all objects of the record. */
  get #version(): string {
    const { store, ref } = this.#of;
    return recordedVersion(store.view().tree, ref.record) ?? ref.record.version;
  }

  #failed(error: unknown): void {
    const { store, ref } = this.#of;
    this.#room.tell({ phase: 'outbound', record: ref.record.name, store: store.row.name, error });
  }

  /** Whoever is of another major has what there is as one of theirs, where the definition knows the way down. */
  #skew({ key, client_version: client }: HandshakeRequest, sight: Visible): HandshakeAnswer | null {
    const { migrateDown } = this.#of.ref.record;
    const server = this.#version;
    if (isSameMajor({ version: client }, server)) return null;
    const envelope = this.#envelope(sight);
    const { value } = envelope;
    const down = migrate({ version: client, migrate: {}, migrateDown }, value, server);
    const common = { key, type: 'skew', server_version: server } as const;
    if (down === 'skew') return common;
    this.#view = sight.view;
    const own = { ...envelope, value: down.value, schema_version: client };
    return { ...common, view: sight.view, envelope: own };
  }

  /** Whether what is left where something is hidden is one of its record; what is not is told of. */
  #passes({ value, hidden }: Visible): boolean {
    const passed = hidden.size === 0 ? null : passRecord(this.#of.ref.record, value);
    if (passed === null || !('issue' in passed)) return true;
    this.#failed(new Error(`outbound: ${passed.issue}`));
    return false;
  }

  #envelope({ value, sequence }: Visible): Envelope {
    const schema_version = this.#version;
    const { incarnation } = this.#of.store.row;
    return { value: decodeStored(value), schema_version, sequence, incarnation };
  }
}

function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);
}
