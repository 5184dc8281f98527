import type { Submission } from '@holdfast/engine/authority';
import type { Refusal, WriteReply } from '@holdfast/protocol';
import type { Stores } from './stores.ts';
import type { StoreHost } from './store-host.ts';

/** A request that came by no channel: nothing blocks behind it, and nobody waits for its events. */
type LoneRequest = Pick<
  Submission,
  'deviceId' | 'opId' | 'fingerprint' | 'principal' | 'request' | 'rate' | 'forced'
>;

/** A store as one HTTP request holds it open. */
type OpenStore = Pick<StoreHost, 'view' | 'row'> & {
  /** Commits the request, or tells why not. */
  write(request: LoneRequest): Promise<WriteReply | Refusal>;
};

/** Opens a store for as long as `use` takes. */
type StoreDoor = <T>(storeId: string, use: (store: OpenStore) => T | Promise<T>) => Promise<T>;

/** The door that requests without a channel come through; each gets a channel number of its own. */
export function doorTo(stores: Stores, nextNumber: () => number): StoreDoor {
  return async (storeId, use) => {
    const hold = await stores.hold(storeId);
    const { host } = hold;
    const channel = nextNumber();
    try {
      return await use({
        row: host.row,
        view: () => host.view(),
        write: (request) => submit(host, channel, request),
      });
    } finally {
      host.left(channel);
      hold.release();
    }
  };
}

function submit(
  host: StoreHost,
  channel: number,
  request: LoneRequest,
): Promise<WriteReply | Refusal> {
  const ticket = host.ticket();
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new Error(`The store ${host.row.name} stopped meanwhile.`));
    if (host.stopped) {
      lost();
      return;
    }
    host.submit(
      { ...request, ticket, channel, blocks: false, unblock: false, dialect: 4 },
      { answered: (_ticket, answer) => resolve(answer), lost },
    );
  });
}
