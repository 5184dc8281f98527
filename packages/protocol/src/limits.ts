/** Server-wide limits; each has a refusal (stores.md §12.1). Sizes are bytes, times milliseconds. */
export type Limits = {
  readonly max_frame_bytes: number;
  /** Above this a frame is not even read: the socket closes with 1009. */
  readonly hard_frame_bytes: number;
  readonly max_value_bytes: number;
  readonly max_leaves_per_write: number;
  readonly max_depth: number;
  readonly max_segment_bytes: number;
  readonly max_path_bytes: number;
  readonly max_tx_ops: number;
  readonly max_channels_per_socket: number;
  readonly max_sockets_per_token: number;
  readonly max_patterns: number;
  /** Paths of one read of many. */
  readonly max_batch_paths: number;
  readonly max_json_body: number;
  /** Bytes of one line of an import. */
  readonly max_import_line: number;
  readonly max_file_bytes: number;
  /** Of one store. */
  readonly max_webhooks: number;
  readonly write_queue: number;
  readonly write_queue_ms: number;
  readonly socket_soft_bytes: number;
  readonly socket_hard_bytes: number;
  readonly idle_timeout_ms: number;
};

/** The limits that bound a request (stores.md §12.1). */
export type RequestLimits = Pick<
  Limits,
  | 'max_frame_bytes'
  | 'max_value_bytes'
  | 'max_leaves_per_write'
  | 'max_depth'
  | 'max_segment_bytes'
  | 'max_path_bytes'
  | 'max_tx_ops'
>;

/** The defaults of what bounds a request: all that a client goes by until a server has told its own. */
export const requestLimits: RequestLimits = {
  max_frame_bytes: 1024 * 1024,
  max_value_bytes: 64 * 1024,
  max_leaves_per_write: 10_000,
  max_depth: 32,
  max_segment_bytes: 255,
  max_path_bytes: 1024,
  max_tx_ops: 1000,
};

/** The defaults of stores.md §12.1. */
export const defaultLimits: Limits = /* @__PURE__ */ allLimits();

// A function, so that bundlers leave it out where only the limits of requests are used.
function allLimits(): Limits {
  return {
    ...requestLimits,
    hard_frame_bytes: 16 * 1024 * 1024,
    max_channels_per_socket: 100,
    max_sockets_per_token: 1000,
    max_patterns: 2000,
    max_batch_paths: 1000,
    max_json_body: 8 * 1024 * 1024,
    max_import_line: 1024 * 1024,
    max_webhooks: 20,
    write_queue: 10_000,
    write_queue_ms: 5000,
    socket_soft_bytes: 1024 * 1024,
    socket_hard_bytes: 16 * 1024 * 1024,
    idle_timeout_ms: 60_000,
    max_file_bytes: 1024 * 1024 * 1024,
  };
}
