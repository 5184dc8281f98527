import type { HoldfastError } from '@holdfast/protocol';
import type { Connection } from '@holdfast/engine/session';

/** The state of a client's one connection (registry.md §11, Network). */
export type ConnectionStatus = {
  readonly connection: Connection;
  /** 0 while it is connected; else how often it failed since a connection last lived for a minute. */
  readonly attempts: number;
  /** Why it was given up. */
  readonly error?: HoldfastError;
};

/** Whether there is no connection, and will be none by itself. */
export function isOver({ connection }: { readonly connection: string }): boolean {
  return connection === 'closed' || connection === 'failed';
}

/** Whether there is a connection, or may be one at any moment. */
export function isPromising({ connection, attempts }: ConnectionStatus): boolean {
  return connection === 'connected' || (connection === 'connecting' && attempts === 0);
}
