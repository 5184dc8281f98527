import { Envelopes, type ObjectChange, recordedVersion } from '@holdfast/engine/gate';
import type { SyncTransport } from '@holdfast/engine/record';
import { parseStoreName, type RecordDef, RejectedError } from '@holdfast/protocol';
import { decodeStored, type Envelope, passRecord } from '@holdfast/protocol/record';
import type { Storage } from '../storage/port.ts';
import type { StoreDoor } from '../host/door.ts';
import type { RecordFault } from './records.ts';

/** What publishing needs of the server. */
export type PublishRoom = Pick<StoreDoor, 'openStore'> & {
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
  let stop: (() => void) | null = null;
  let isOver = false;
  const begin = async (): Promise<void> => {
    const row = await room.storage.stores.find(name);
    if (row === null) throw new RejectedError('not_found', { store: name });
    const store = await room.openStore(row.id);
    if (isOver) {
      store.release();
      return;
    }
    stop = follow(room, { store, def, to });
    store.onLost(() => {
      stop?.();
      stop = null;
      run();
    });
  };
  const run = (): void => {
    begin().catch((error: unknown) => {
      room.tell({ phase: 'outbound', record: def.name, store: name, error });
    });
  };
  run();
  return () => {
    isOver = true;
    stop?.();
    stop = null;
  };
}

type Publishing = { readonly store: Store; readonly def: RecordDef; readonly to: SyncTransport };

function follow(room: PublishRoom, { store, def, to }: Publishing): () => void {
  const envelopes = new Envelopes(store.view().tree, [def]);
  const unfollow = store.follow((ops) => {
    for (const change of envelopes.follow(ops)) publish(room, { store, def, to }, change);
  });
  return () => {
    unfollow();
    store.release();
  };
}

function publish(
  { tell }: PublishRoom,
  { store, def, to }: Publishing,
  change: ObjectChange,
): void {
  const at = { record: def.name, store: store.row.name };
  try {
    const version = recordedVersion(store.view().tree, def) ?? def.version;
    const message = envelopeOf(change, { version, incarnation: store.row.incarnation });
    to.publish(`rec/${store.row.name}/${change.path}`, message);
  } catch (error) {
    tell({ ...at, phase: 'outbound', error });
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
