import type { SyncTransport } from '@holdfast/engine/record';
import type { RecordDef } from '@holdfast/protocol';
import type { StoreDoor } from '../host/door.ts';
import type { Storage } from '../storage/port.ts';
import { type RecordOptions, rulesOf } from './options.ts';
import { publishTo } from './publish.ts';
import type { RecordFault, Records } from './records.ts';
import { serverRecord, type ServerRecord } from './server-record.ts';

/** What the program around a server does with records. */
export type RecordDesk = {
  readonly record: <R extends RecordDef>(def: R, options?: RecordOptions<R>) => ServerRecord<R>;
  readonly publish: (def: RecordDef, to: SyncTransport) => () => void;
};

/** What a desk works with. */
export type DeskRoom = StoreDoor & {
  readonly records: Records;
  readonly storage: Pick<Storage, 'stores'>;
  readonly newId: () => string;
  readonly tell: (fault: RecordFault) => void;
};

/** The records of a server, for its operator. */
export function recordDesk(room: DeskRoom): RecordDesk {
  return {
    record: (def, options = {}) => {
      const { writeSchema = null, mutations = {} } = options;
      room.records.declare({ def, writeSchema, mutations, ...rulesOf(options) });
      return serverRecord(room, def);
    },
    publish: (def, to) => publishTo(room, def, to),
  };
}
