import { Envelopes, type ObjectChange, recordedVersion } from '@holdfast/engine/gate';
import type { LoggedOp } from '@holdfast/engine/authority';
import { backoffMs, type SyncTransport } from '@holdfast/engine/record';
import {
  parseStoreName,
  type RecordDef,
  RejectedError,
  type Seq,
  type StoreName,
} from '@holdfast/protocol';
import { decodeStored, type Envelope, passRecord } from '@holdfast/protocol/record';
import type { Clock } from '../host/clock.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { turn } from '../storage/turn.ts';
import type { RecordFault } from './records.ts';

/** What publishing needs of the server. */
export type PublishRoom = Pick<StoreDoor, 'openStore'> & {
  readonly clock: Clock;
  readonly random: () => number;
  /** Aborts when the server begins to close. */
  readonly closing: AbortSignal;
  readonly storage: Pick<Storage, 'stores'>;
  readonly tell: (fault: RecordFault) => void;
};

type Store = Awaited<ReturnType<StoreDoor['openStore']>>;

/**
 * Puts an envelope of every commit that changes an object of a record on a transport, in the order of commits (records.md
 * §7). Its store is held open until the returned function is called.
 */
export function publishTo(room: PublishRoom, def: RecordDef, to: SyncTransport): () => void {
  const name = parseStoreName(def.store);
  if (name === null) {
    throw new TypeError(`"${def.name}" is published only where its store has no parameters.`);
  }
  const publishing = new Publishing(room, { name, def, to });
  const end = (): void => publishing.end();
  room.closing.addEventListener('abort', end, { once: true });
  publishing.begin();
  return () => {
    room.closing.removeEventListener('abort', end);
    end();
  };
}

type Published = {
  readonly name: StoreName;
  readonly def: RecordDef;
  readonly to: SyncTransport;
};

/** How far a store is published. */
type Place = { readonly envelopes: Envelopes; readonly incarnation: string; seq: Seq };

/**
 * A record that is published.
 *
 * 1. Where its store cannot be had, it is tried again after a while, which grows; that is told once until it is had.
 * 2. What was committed while it could not be had is read from the log, so that nothing is left out.
 */
class Publishing {
  readonly #room: PublishRoom;
  readonly #of: Published;
  #place: Place | null = null;
  #release: (() => void) | null = null;
  #timer: unknown = null;
  #attempts = 0;
  #isOver = false;

  constructor(room: PublishRoom, of: Published) {
    this.#room = room;
    this.#of = of;
  }

  begin(): void {
    this.#open().then(
      () => {
        this.#attempts = 0;
      },
      (error: unknown) => this.#failed(error),
    );
  }

  end(): void {
    this.#isOver = true;
    this.#room.clock.clearTimeout(this.#timer);
    this.#letGo();
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    this.#letGo();
    const { clock, random } = this.#room;
    this.#attempts += 1;
    if (this.#attempts === 1) this.#tell(error);
    this.#timer = clock.setTimeout(() => this.begin(), backoffMs(this.#attempts, random()));
  }

  async #open(): Promise<void> {
    const { name } = this.#of;
    const row = await this.#room.storage.stores.find(name);
    if (row === null) throw new RejectedError('not_found', { store: name });
    const store = await this.#room.openStore(row.id);
    if (this.#isOver) {
      store.release();
      return;
    }
    const unfollow = store.follow((ops) => {
      const [first] = ops;
      // What is committed while the log is read is read there, too.
      if (first !== undefined && first.seq <= (this.#place?.seq ?? 0) + 1) this.#take(ops);
    });
    const release = (): void => {
      unfollow();
      store.release();
    };
    this.#release = release;
    store.onLost(() => {
      if (this.#release !== release) return;
      this.#letGo();
      this.begin();
    });
    const isHere = (): boolean => this.#release === release;
    try {
      await this.#catchUp(store, isHere);
    } catch (error) {
      // Lost again, it is opened anew, and goes on from the last that was read.
      if (isHere()) throw error;
    }
  }

  async #catchUp(store: Store, isHere: () => boolean): Promise<void> {
    const { incarnation } = store.row;
    if (this.#place?.incarnation !== incarnation) {
      this.#place = this.#placeAt(store);
      return;
    }
    for (;;) {
      const { seq } = this.#place;
      const { seq: head } = store.view();
      if (!isHere() || seq >= head) return;
      // oxlint-disable-next-line no-await-in-loop -- one part of the log after the other
      const ops = await store.read(seq, head);
      if (!isHere()) return;
      if (ops[0]?.seq === seq + 1) this.#take(ops);
      else {
        this.#place = this.#placeAt(store);
        this.#tell(new RejectedError('beyond_retention', { from_seq: seq }));
      }
      // oxlint-disable-next-line no-await-in-loop -- others want their turn
      await turn();
    }
  }

  #placeAt(store: Store): Place {
    const { tree, seq } = store.view();
    const envelopes = new Envelopes(tree, [this.#of.def]);
    return { envelopes, incarnation: store.row.incarnation, seq };
  }

  #take(ops: readonly LoggedOp[]): void {
    const place = this.#place;
    if (this.#isOver || place === null) return;
    const fresh = ops.filter(({ seq }) => seq > place.seq);
    for (const changes of place.envelopes.commits(fresh)) {
      for (const change of changes) this.#publish(place, change);
    }
    place.seq = fresh.at(-1)?.seq ?? place.seq;
  }

  #publish({ envelopes, incarnation }: Place, change: ObjectChange): void {
    const { def, name, to } = this.#of;
    try {
      const version = recordedVersion(envelopes.tree, def) ?? def.version;
      to.publish(`rec/${name}/${change.path}`, envelopeOf(change, { version, incarnation }));
    } catch (error) {
      this.#tell(error);
    }
  }

  #tell(error: unknown): void {
    const { def, name: store } = this.#of;
    this.#room.tell({ phase: 'outbound', record: def.name, store, error });
  }

  #letGo(): void {
    this.#release?.();
    this.#release = null;
  }
}

/** The envelope of a change; throws where the value would not pass the gate of who receives it. */
export function envelopeOf(
  { def, value, sequence, prev, opId }: ObjectChange,
  { version, incarnation }: { readonly version: string; readonly incarnation: string },
): Envelope {
  const common = { schema_version: version, sequence, prev, incarnation, op_id: opId };
  if (value === undefined) return { ...common, value: null, deleted: true };
  const passed = passRecord(def, value);
  if ('issue' in passed) throw new Error(`outbound: ${passed.issue}`);
  return { ...common, value: decodeStored(value) };
}
