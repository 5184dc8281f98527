import type { SyncTransport } from '@holdfast/engine/record';
import type { RecordDef } from '@holdfast/protocol';
import type { Clock } from '../host/clock.ts';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { Feeds } from './feeds.ts';
import { type RecordOptions, rulesOf } from './options.ts';
import { publishTo } from './publish.ts';
import type { RecordFault, Records } from './records.ts';
import { serverRecord, type ServerRecord } from './server-record.ts';
import { type SseOptions, type SyncHandler, syncHandler } from './sync-handler.ts';

/** What the program around a server does with records. */
export type RecordDesk = {
  readonly record: <R extends RecordDef>(def: R, options?: RecordOptions<R>) => ServerRecord<R>;
  readonly syncHandler: (options: SseOptions) => {
    readonly GET: SyncHandler;
    readonly POST: SyncHandler;
  };
  readonly publish: (def: RecordDef, to: SyncTransport) => () => void;
};

/** What a desk works with. */
export type DeskRoom = StoreDoor & {
  readonly clock: Clock;
  readonly records: Records;
  readonly storage: Pick<Storage, 'stores'>;
  readonly newId: () => string;
  readonly tell: (fault: RecordFault) => void;
};

/** The records of a server, for its operator. */
export function recordDesk(room: DeskRoom): RecordDesk {
  const feeds = new Feeds(room);
  return {
    syncHandler: (options) => syncHandler({ ...room, feeds }, options),
    record: (def, options = {}) => {
      const { writeSchema = null, mutations = {} } = options;
      room.records.declare({ def, writeSchema, mutations, ...rulesOf(options) });
      return serverRecord(room, def);
    },
    publish: (def, to) => publishTo(room, def, to),
  };
}
