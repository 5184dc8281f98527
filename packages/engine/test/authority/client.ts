import type { Submission } from '@holdfast/engine/authority';
import { isRefusal, jsonEquals, refuse, type Write } from '@holdfast/protocol';
import { increment, lease, release, remove, type Reply, set } from './desk.ts';

type Push = { readonly counter: number; readonly unblock: boolean };

/** A client of the simulation: sends its intents in order, ahead of the answers, until each has its outcome. */
export class Client {
  readonly id: string;
  node = -1;
  channel = 0;
  readonly #intents: readonly Write[];
  /** By counter: what came of it, for good. */
  readonly outcomes = new Map<number, Reply>();
  /**
   * Intents that were open at a node when they were sent to another, or refused when nobody listened any longer. Such
   * a one may be refused at one place and committed at another, or refused first and committed later.
   */
  readonly roaming = new Set<number>();
  #next = 1;
  /** The earliest that must be sent again, once all that was sent is answered. */
  #again: number | null = null;
  #unblock = false;
  #sent = 0;

  constructor(id: string, count: number, random: (limit: number) => number) {
    this.id = id;
    this.#intents = Array.from({ length: count }, () => intent(random));
  }

  get isDone(): boolean {
    return this.outcomes.size === this.#intents.length;
  }

  opId(counter: number): string {
    return `${this.id}:s:${counter}`;
  }

  /** A new channel: all that has no outcome is sent on it, in order. */
  connect(node: number, channel: number): void {
    if (node !== this.node) this.lose();
    this.node = node;
    this.channel = channel;
    this.#sent = 0;
    this.#again = null;
    this.#unblock = false;
    this.#next = this.#firstOpen();
  }

  /** Whoever was to answer may do so no more. */
  lose(): void {
    for (let i = this.#firstOpen(); i < this.#next; i++) this.roaming.add(i);
  }

  next(): Push | null {
    if (this.#again !== null) {
      if (this.#sent > 0) return null;
      this.#next = this.#again;
      this.#again = null;
      this.#unblock = true;
    }
    while (this.outcomes.has(this.#next)) this.#next++;
    if (this.#next > this.#intents.length) return null;
    const push = { counter: this.#next, unblock: this.#unblock };
    this.#next++;
    this.#sent++;
    this.#unblock = false;
    return push;
  }

  submission(push: Push, more: { ticket: number; limited: boolean }): Submission {
    const { counter, unblock } = push;
    return {
      ticket: more.ticket,
      channel: this.channel,
      blocks: true,
      unblock,
      dialect: 4,
      deviceId: this.id,
      opId: this.opId(counter),
      fingerprint: counter,
      principal: this.id,
      request: this.#intents[counter - 1] ?? refuse('invalid op'),
      rate: more.limited ? () => refuse('rate_limited', { retry_after_ms: 10 }) : null,
    };
  }

  /** An answer; also on a channel that is gone, where it is told to nobody but must still be true. */
  hear(heard: { counter: number; channel: number; reply: Reply }): string | null {
    const { counter, channel, reply } = heard;
    if (channel === this.channel) this.#sent--;
    if (isRefusal(reply) && reply.retry === 'later') {
      if (channel === this.channel) this.#again = Math.min(this.#again ?? counter, counter);
      return null;
    }
    // Only what is committed is remembered: a refusal, or a release of nothing, may come out otherwise another time.
    if (!('store_seq' in reply) && channel !== this.channel) {
      this.roaming.add(counter);
      return null;
    }
    const before = this.outcomes.get(counter);
    if (before === undefined) this.outcomes.set(counter, reply);
    else if ('store_seq' in before && 'store_seq' in reply && !jsonEquals(before, reply)) {
      return `${this.opId(counter)} has two answers`;
    }
    return null;
  }

  /** Whether its answer could be contradicted by another node. */
  isLoose(counter: number): boolean {
    const outcome = this.outcomes.get(counter);
    return this.roaming.has(counter) && (outcome === undefined || !('store_seq' in outcome));
  }

  #firstOpen(): number {
    for (let counter = 1; ; counter++) if (!this.outcomes.has(counter)) return counter;
  }
}

function intent(random: (limit: number) => number): Write {
  const path = ['a', 'b', 'm/x', 'm/y', 'm'][random(5)] ?? 'a';
  const kind = random(9);
  if (kind < 3) return increment(`n/${random(3)}`);
  if (kind < 5) return set(path, random(9));
  if (kind === 5) return remove(path);
  if (kind === 6) return set(`c/${random(6)}`, 1, { ifAbsent: true });
  if (kind === 7) return lease(`l/${random(2)}`, 1 + random(400));
  return release(`l/${random(2)}`, 1 + random(40));
}
