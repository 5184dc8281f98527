// The times of a dialer, all in milliseconds: those that the spec gives (stores.md C7, C16), and its silence filled in.

/** After so long without a frame of ours, a heartbeat. */
export const heartbeatMs = 30_000;
/** A line that is silent for so long after a heartbeat is dead. */
export const answerMs = 10_000;
/** A line that is silent for so long is dead in any case. */
export const silenceMs = 60_000;
/** The same as `answerMs`, where there is reason to doubt the line. */
export const doubtMs = 3000;
/** A push or join without a reply for so long. */
export const replyMs = 30_000;
/** A socket that does not open within this, a probe that is not answered. */
export const openMs = 10_000;
export const backoffMinMs = 250;
export const backoffMaxMs = 30_000;
/** Having worked for so long makes up for the failures before. */
export const lifeMs = 60_000;
/** A token that was good for so long is followed by the next one without a pause. */
export const tokenMs = 5000;
/** A server that asks for more patience than this is not believed. */
const directedMaxMs = 300_000;

/** The `retry_after_ms` of a hint or refusal, where it is one to follow; else null. None is 0, which would have it tried without end. */
export function readDirected(retryAfterMs: unknown): number | null {
  const follows =
    typeof retryAfterMs === 'number' && retryAfterMs > 0 && retryAfterMs <= directedMaxMs;
  return follows ? retryAfterMs : null;
}
