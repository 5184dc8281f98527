import type { Refusal } from '../refusals.ts';
import type { Address, Frame } from './channel.ts';

// What servers say, and tabs that stand in for one.

/** A reply to a join or push. A join's address has equal refs (stores.md §7.3). */
export function replyFrame(to: Address, status: 'ok' | 'error', response: object): Frame {
  const { joinRef, ref, topic } = to;
  return { joinRef, ref, topic, event: 'phx_reply', payload: { status, response } };
}

/** The error reply that carries a refusal. */
export function refusalFrame(to: Address, refusal: Refusal): Frame {
  return replyFrame(to, 'error', refusal.toResponse());
}

/** A server push on a store topic: both refs null, so one encoding serves all channels (stores.md §7.3). */
export function pushFrame(topic: string, event: string, payload: object): Frame {
  return { joinRef: null, ref: null, topic, event, payload };
}

/** Ends a channel in order: payload exactly `{}` (stores.md §7.3). */
export function closeFrame(topic: string, joinRef: string | null): Frame {
  return { joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} };
}

/** Ends a channel that failed (stores.md §7.3). */
export function errorFrame(topic: string, joinRef: string | null): Frame {
  return { joinRef, ref: joinRef, topic, event: 'phx_error', payload: { reason: 'channel_crash' } };
}
