/** The events that clients send: on the connection, on a store, on presence (stores.md §7.3, §7.5, §10). */
export const clientEvents = [
  'phx_join',
  'phx_leave',
  'heartbeat',
  'access_token',
  'write',
  'put_file',
  'rollback',
  'ack_seq',
  'status',
  'transact',
  'op_status',
  'explain',
  'scope',
  'query_open',
  'query_close',
  'presence_track',
  'presence_untrack',
] as const;

/** The events that servers send (stores.md §7.3, §7.6, §9.4, §10). */
export const serverEvents = [
  'phx_reply',
  'phx_close',
  'phx_error',
  'event',
  'snapshot',
  'catch_up_complete',
  'events',
  'snapshot_begin',
  'snapshot_chunk',
  'snapshot_end',
  'query_delta',
  'lease_expired',
  'ack',
  'presence_state',
  'presence_diff',
] as const;

/** An event that a client sends. */
export type ClientEvent = (typeof clientEvents)[number];

/** An event that a server sends. */
export type ServerEvent = (typeof serverEvents)[number];
