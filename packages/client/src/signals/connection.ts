import type { Signal } from '@holdfast/engine/registry';
import type { Client } from '../client.ts';
import type { ConnectionStatus } from '../connection.ts';
import { roomOf } from '../doors.ts';

/** How the connection of a client is doing, for those whom the rest of its status is not to wake. */
export function connectionStatus(client: Client): Signal<ConnectionStatus> {
  return roomOf(client).connection;
}
