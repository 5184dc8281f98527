/** The times of a dialer, all in milliseconds (stores.md C7, C16). */
export type DialerTimes = {
  /** After so long without a frame of ours, a heartbeat. */
  readonly heartbeatMs: number;
  /** A line that is silent for so long after a heartbeat is dead. */
  readonly answerMs: number;
  /** A line that is silent for so long is dead in any case. */
  readonly silenceMs: number;
  /** The same as `answerMs`, where there is reason to doubt the line. */
  readonly doubtMs: number;
  /** A push or join without a reply for so long. */
  readonly replyMs: number;
  /** A socket that does not open within this, a probe that is not answered. */
  readonly openMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Having worked for so long makes up for the failures before. */
  readonly lifeMs: number;
  /** A server that asks for more patience than this is not believed. */
  readonly directedMaxMs: number;
};

/** The times that the spec gives, and its silence filled in. */
export const defaultTimes: DialerTimes = {
  heartbeatMs: 30_000,
  answerMs: 10_000,
  silenceMs: 60_000,
  doubtMs: 3000,
  replyMs: 30_000,
  openMs: 10_000,
  backoffMinMs: 250,
  backoffMaxMs: 30_000,
  lifeMs: 60_000,
  directedMaxMs: 300_000,
};

/** The `retry_after_ms` of a hint or refusal, where it is one to follow; else null. */
export function readDirected(retryAfterMs: unknown, times: DialerTimes): number | null {
  const follows =
    typeof retryAfterMs === 'number' && retryAfterMs >= 0 && retryAfterMs <= times.directedMaxMs;
  return follows ? retryAfterMs : null;
}
