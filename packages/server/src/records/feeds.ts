import { Envelopes, type ObjectChange, recordedVersion, type Veil } from '@holdfast/engine/gate';
import {
  isObject,
  type Json,
  majorOf,
  type RecordContext,
  type RecordRef,
} from '@holdfast/protocol';
import {
  canonicalJson,
  decodeStored,
  type Envelope,
  type HandshakeAnswer,
  type HandshakeRequest,
} from '@holdfast/protocol/record';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { envelopeOf } from './publish.ts';
import type { RecordFault, Records } from './records.ts';

/** What a key has to say: what was asked for, or what is new. */
export type FeedMessage = { readonly answer: HandshakeAnswer } | { readonly envelope: Envelope };

/** One key, as one viewer has it. */
export type Feed = {
  /** What is there, measured by what the viewer has. */
  answer(asked: HandshakeRequest): HandshakeAnswer;
  release(): void;
};

/** What feeds need of the server. */
export type FeedRoom = Pick<StoreDoor, 'openStore'> & {
  readonly records: Records;
  readonly storage: Pick<Storage, 'stores'>;
  readonly tell: (fault: RecordFault) => void;
};

type Store = Awaited<ReturnType<StoreDoor['openStore']>>;

type StoreFeed = {
  readonly store: Store;
  readonly listeners: Set<(change: ObjectChange) => void>;
  stop(): void;
};

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
    const { store, listeners } = await held.feed;
    const valueAt: Store['valueAt'] = (path) => store.valueAt(path);
    const veil = this.#room.records.veilOf(ctx.principal, { name: row.name, valueAt });
    const object = new ObjectFeed(this.#room, { store, ref, veil, hear });
    const listener = (change: ObjectChange): void => object.changed(change);
    listeners.add(listener);
    let isLive = true;
    return {
      answer: (asked) => object.answer(asked),
      release: () => {
        if (!isLive) return;
        isLive = false;
        listeners.delete(listener);
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
        this.#open.delete(id);
        void kept.feed.then((feed) => feed.stop());
      },
    };
  }

  async #begin(id: string): Promise<StoreFeed> {
    const store = await this.#room.openStore(id);
    const envelopes = new Envelopes(store.view().tree, this.#room.records.of(store.row.name));
    const listeners = new Set<(change: ObjectChange) => void>();
    const unfollow = store.follow((ops) => {
      for (const change of envelopes.follow(ops)) for (const hear of listeners) hear(change);
    });
    const stop = (): void => {
      unfollow();
      store.release();
    };
    return { store, listeners, stop };
  }
}

type Following = {
  readonly store: Store;
  readonly ref: RecordRef;
  readonly veil: Veil | null;
  readonly hear: (message: FeedMessage) => void;
};

/** What a viewer sees of an object. */
type Seen = { readonly view: string; readonly value: Json | undefined };

/** One object, as one viewer has it: what is hidden is left out, and a commit of hidden fields only is no news. */
class ObjectFeed {
  readonly #room: FeedRoom;
  readonly #of: Following;
  #told: Seen | null = null;
  #sequence = 0;

  constructor(room: FeedRoom, of: Following) {
    this.#room = room;
    this.#of = of;
  }

  answer(asked: HandshakeRequest): HandshakeAnswer {
    const { store, ref } = this.#of;
    const { key } = asked;
    const { tree, seq } = store.view();
    const found = tree.read(ref.path);
    const seen = this.#see(found?.value);
    this.#told = seen;
    this.#sequence = found?.revision ?? seq;
    if (seen.view === 'none') return { key, type: 'denied', reason: 'denied' };
    if (seen.value === undefined) {
      return { key, type: 'gone', incarnation: store.row.incarnation, sequence: seq };
    }
    return this.#skew(asked) ?? this.#snapshot(asked, { ...seen, value: seen.value }, seq);
  }

  #snapshot(
    asked: HandshakeRequest,
    { view, value }: { readonly view: string; readonly value: Json },
    head: number,
  ): HandshakeAnswer {
    const { key, sequence: has = -1 } = asked;
    // Of whom something may be hidden, only the view that it names is known.
    const known = asked.view ?? (this.#of.veil === null ? view : null);
    const isOwn = asked.incarnation === this.#of.store.row.incarnation && known === view;
    if (isOwn && has >= this.#sequence && has <= head) return { key, view, type: 'current' };
    const envelope = this.#envelope({ value, sequence: this.#sequence });
    const isReset = asked.view !== undefined && asked.view !== view;
    return { key, view, type: 'snapshot', envelope, ...(isReset && { reset: true }) };
  }

  changed(change: ObjectChange): void {
    const { ref, store, hear } = this.#of;
    if (change.def !== ref.record || change.path !== ref.path) return;
    const before = this.#told;
    const seen = this.#see(change.value);
    this.#told = seen;
    if (before !== null && before.view !== seen.view) {
      // What was hidden came, or what was seen is gone (records.md §17).
      const key = `rec/${store.row.name}/${ref.path}`;
      const answer = this.answer({ key, record: ref.record.name, params: {}, client_version: '' });
      hear({ answer: answer.type === 'snapshot' ? { ...answer, reset: true } : answer });
      return;
    }
    if (seen.view === 'none' || (before !== null && sameJson(before.value, seen.value))) return;
    const prev = this.#sequence;
    this.#sequence = change.sequence;
    this.#hearChange({ ...change, value: seen.value, prev });
  }

  #hearChange(change: ObjectChange): void {
    const { store, hear, ref } = this.#of;
    const version = recordedVersion(store.view().tree, ref.record) ?? ref.record.version;
    try {
      hear({ envelope: envelopeOf(change, { version, incarnation: store.row.incarnation }) });
    } catch (error) {
      this.#room.tell({ phase: 'outbound', record: ref.record.name, store: store.row.name, error });
    }
  }

  #see(value: Json | undefined): Seen {
    const { veil, ref } = this.#of;
    if (veil === null || !isObject(value)) return { view: 'all', value };
    const hidden = veil.hiddenOf(ref.path, value);
    if (hidden.length === 0) return { view: 'all', value };
    const fields = Object.keys(value).filter((field) => !hidden.includes(field));
    if (fields.length === 0) return { view: 'none', value: undefined };
    const members = fields.map((field) => [field, value[field]] as const);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- members of JSON
    const seen = Object.fromEntries(members) as Json;
    return { view: `without ${hidden.toSorted().join(' ')}`, value: seen };
  }

  #skew({ key, client_version: client }: HandshakeRequest): HandshakeAnswer | null {
    const { store, ref } = this.#of;
    const server = recordedVersion(store.view().tree, ref.record) ?? ref.record.version;
    const [own, its] = [majorOf(server), majorOf(client)];
    if (own === null || its === null || own === its) return null;
    return { key, type: 'skew', server_version: server };
  }

  #envelope({ value, sequence }: { readonly value: Json; readonly sequence: number }): Envelope {
    const { store, ref } = this.#of;
    const schema_version = recordedVersion(store.view().tree, ref.record) ?? ref.record.version;
    return {
      value: decodeStored(value),
      schema_version,
      sequence,
      incarnation: store.row.incarnation,
    };
  }
}

function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);
}
