import type { LoneRequest } from '@holdfast/engine/authority';
import { isRefusal, type Refusal, type WriteReply } from '@holdfast/protocol';
import type { Context } from 'hono';
import type { Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { needValid, putOff, stillValid, whyShutOut } from './identify.ts';

/** Who has waited for so long may have been shut out meanwhile (stores.md §11.3). */
const BELIEVED_MS = 2000;

type Asking = {
  readonly deps: HttpDeps;
  readonly principal: Principal;
  readonly row: Pick<StoreRow, 'id'>;
};

/** Uses a store for somebody; one that took long to be opened only if they still may. */
export function openFor<T>(
  c: Context,
  { deps, principal, row }: Asking,
  use: (store: OpenStore) => T | Promise<T>,
): Promise<T> {
  const since = deps.clock.now();
  return deps.withStore(row.id, async (store) => {
    if (deps.clock.now() - since > BELIEVED_MS) await needValid(deps, c, principal);
    return use(store);
  });
}

/** Whether what somebody asks for is theirs to ask for still, once it has waited for others. */
export function stillOf(
  c: Context,
  { deps, principal }: Pick<Asking, 'deps' | 'principal'>,
): () => Promise<boolean> {
  const since = deps.clock.now();
  return async () => deps.clock.now() - since <= BELIEVED_MS || stillValid(deps, c, principal);
}

/** Commits a request of somebody. */
export type Write = (request: LoneRequest) => Promise<WriteReply | Refusal>;

/**
 * What commits for somebody; it throws where they are shut out amid that, and says why. What code of the application refuses
 * as `unauthorized` is an answer like others.
 */
export function writeFor(
  c: Context,
  { deps, principal, store }: Pick<Asking, 'deps' | 'principal'> & { readonly store: OpenStore },
  mayStill: () => Promise<boolean>,
): Write {
  return async (request) => {
    let may = true;
    const reply = await store.write(request, async () => (may = await mayStill()));
    if (may || !isRefusal(reply)) return reply;
    // By now it may be allowed again.
    throw (await whyShutOut(deps, c, principal)) ?? putOff();
  };
}
