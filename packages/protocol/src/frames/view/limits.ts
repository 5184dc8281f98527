/** The limits and defaults of views (views.md §15); sizes are bytes, times milliseconds. */
export const viewLimits = {
  tree_bytes: 8_388_608,
  tree_depth: 64,
  open_upload_bytes: 268_435_456,
  roots: 100,
  queued_tasks: 1000,
  commands_per_second: 200,
  commands_burst: 400,
  dedupe_ms: 300_000,
  dedupe_count: 1024,
  /** A reply that is longer is not kept: its repeat is `already_executed` (§7.3). */
  dedupe_reply_bytes: 65_536,
  /** Background cycles in a second. */
  max_rate: 60,
  linger_ms: 30_000,
  log_count: 256,
  log_bytes: 1_048_576,
  /** Stream ops and events that wait for somebody to come (§4.4), or for a subscriber who lags (§11.6). */
  held_bytes: 1_048_576,
  /** Events that a catch-up brings. */
  lagged_event_bytes: 102_400,
  mount_ms: 8000,
  command_ms: 30_000,
  upload_token_ms: 600_000,
  /** A token older than this a client has refreshed (§12.11). */
  upload_refresh_ms: 500_000,
  progress_ms: 100,
} as const;

/** {@link viewLimits}, each of which a server may set. */
export type ViewLimits = { readonly [limit in keyof typeof viewLimits]: number };
