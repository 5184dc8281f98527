import type { RequestLimits } from '@holdfast/protocol';

/**
 * For what is held to its shape alone: what was stored once was within the limits of its server, and the limits of a write
 * are the server's to judge.
 */
export const unlimited: RequestLimits = {
  max_frame_bytes: Number.MAX_SAFE_INTEGER,
  max_value_bytes: Number.MAX_SAFE_INTEGER,
  max_leaves_per_write: Number.MAX_SAFE_INTEGER,
  max_depth: 1000,
  max_segment_bytes: Number.MAX_SAFE_INTEGER,
  max_path_bytes: Number.MAX_SAFE_INTEGER,
  max_tx_ops: Number.MAX_SAFE_INTEGER,
};
