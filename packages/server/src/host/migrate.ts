import type { Submission } from '@holdfast/engine/authority';
import type { Gate, Tree } from '@holdfast/engine/data';
import { isRefusal, type Refusal, refuse, type Seq, type WriteReply } from '@holdfast/protocol';
import { StorageError } from '../storage/port.ts';
import type { Receiver } from './requests.ts';

/** The gate of a store's records. */
export type StoreGate = Gate & {
  /** The records that have to be migrated. */
  outdated(tree: Tree): readonly string[];
  /** A migration failed: nothing has changed, and writes of the record are refused. */
  failed(record: string, refusal: Refusal): void;
};

/** The one that asks before there are any channels. */
const CHANNEL = 0;
const DEVICE = 'system:schema';

type Host = {
  readonly row: { readonly name: string };
  readonly head: Seq;
  readonly archived: boolean;
  view(): { readonly tree: Tree };
  ticket(): number;
  submit(submission: Submission, receiver: Receiver): void;
  close(): Promise<void>;
};

/**
 * Brings what an older definition left to the version of today's, before anybody reads (records.md §3.5). Where it cannot be
 * stored now, the store is not open yet: as it is, all writes of the record would be refused for as long as it is.
 */
export async function migrate(host: Host, gate: StoreGate | null): Promise<void> {
  if (gate === null || host.archived) return;
  for (const record of gate.outdated(host.view().tree)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, each a commit
    const answer = await migrated(host, record);
    if (!isRefusal(answer)) continue;
    if (answer.retry === 'later') {
      // oxlint-disable-next-line no-await-in-loop -- it is the last one
      await host.close();
      throw new StorageError('io', `${host.row.name}: ${record} was not migrated: ${answer.code}`);
    }
    gate.failed(record, answer);
  }
}

function migrated(host: Host, record: string): Promise<WriteReply | Refusal> {
  return new Promise((resolve) => {
    host.submit(
      {
        ticket: host.ticket(),
        channel: CHANNEL,
        blocks: false,
        unblock: false,
        dialect: 4,
        deviceId: DEVICE,
        opId: `schema:${record}:${host.head}`,
        fingerprint: 0,
        principal: null,
        request: { op: 'migrate', record },
        rate: null,
      },
      {
        answered: (_ticket, answer) => resolve(answer),
        lost: () => resolve(refuse('unavailable')),
      },
    );
  });
}
