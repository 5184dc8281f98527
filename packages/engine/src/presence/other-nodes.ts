import type { MonotonicMs } from '@holdfast/protocol';
import { presenceLimits } from '@holdfast/protocol/presence';
import type { NodeMessage, Presence } from './types.ts';

/** A node is silent for so long: nobody is there any more. */
const silentMs = 30_000;
/** An answer to a question is waited for so long before it is asked again. */
const answerMs = 1000;
const nodesMax = 1000;

type Said<Type> = Extract<NodeMessage, { readonly type: Type }>;

/** What is known of another node. */
type Other = {
  /** Its last change that is known here; 0: nothing is. Beyond all numbers once it has said goodbye. */
  n: number;
  /** The highest number that it was heard to name. */
  named: number;
  heardAt: MonotonicMs;
  askedAt: MonotonicMs | null;
  /** When those who are left there are gone, after its goodbye. */
  until: MonotonicMs | null;
  presences: Map<string, Presence>;
  collected: { readonly n: number; readonly parts: Map<number, readonly Presence[]> } | null;
};

/** Hears who comes and goes at other nodes. */
export type Gossip = {
  came(presence: Presence): void;
  went(presence: Presence): void;
  ask(node: string): void;
};

/**
 * The other nodes of one topic, over a bus that loses and reorders (stores.md §10.8.4).
 *
 * 1. What is known of a node is its set after one of its changes: never a part of a change, never two sets mixed.
 * 2. The number of that change only grows; what is older is dropped, so a leave that overtakes its join leaves no ghost.
 * 3. A gap is asked about until it is closed, or the node is silent for 30 s and forgotten.
 */
export class OtherNodes {
  readonly #gossip: Gossip;
  readonly #others = new Map<string, Other>();

  constructor(gossip: Gossip) {
    this.#gossip = gossip;
  }

  hear(message: NodeMessage, now: MonotonicMs): void {
    const other = this.#meet(message.node, now);
    if (other === null) return;
    other.heardAt = now;
    switch (message.type) {
      case 'diff':
        this.#change(other, message);
        break;
      case 'set':
        this.#collect(other, message, now);
        break;
      case 'bye':
        this.#part(other, now);
        break;
      case 'beat':
        other.named = Math.max(other.named, message.n);
        break;
      case 'ask':
        return;
    }
    this.#askOf(message.node, other, now);
  }

  /** Forgets nodes that are silent, and asks again where no answer came; says when to look again. */
  tick(now: MonotonicMs): void {
    for (const [node, other] of this.#others) {
      if (other.until !== null && other.until <= now) this.#empty(other);
      if (other.heardAt + silentMs <= now) {
        this.#empty(other);
        this.#others.delete(node);
      } else this.#askOf(node, other, now);
    }
  }

  /** When {@link tick} has something to do. */
  get dueAt(): MonotonicMs {
    let due = Infinity;
    for (const { heardAt, until, askedAt } of this.#others.values()) {
      due = Math.min(due, heardAt + silentMs, until ?? Infinity, (askedAt ?? Infinity) + answerMs);
    }
    return due;
  }

  describe(): readonly { readonly node: string; readonly number: number }[] {
    return [...this.#others].map(([node, { n }]) => ({ node, number: n }));
  }

  #meet(node: string, now: MonotonicMs): Other | null {
    let other = this.#others.get(node);
    if (other === undefined) {
      if (this.#others.size >= nodesMax) return null;
      const presences = new Map<string, Presence>();
      const nothing = { n: 0, named: 0, askedAt: null, until: null, presences, collected: null };
      other = { ...nothing, heardAt: now };
      this.#others.set(node, other);
    }
    return other;
  }

  #change(other: Other, { n, joins, leaves }: Said<'diff'>): void {
    other.named = Math.max(other.named, n);
    // The first change is all there is, also for who has just begun to listen.
    if (n !== other.n + 1) return;
    other.n = n;
    for (const ref of leaves) this.#remove(other, ref);
    for (const presence of joins) this.#add(other, presence);
  }

  #collect(other: Other, { n, part, parts, presences }: Said<'set'>, now: MonotonicMs): void {
    other.named = Math.max(other.named, n);
    if (n <= other.n) return;
    if (other.collected?.n !== n) other.collected = { n, parts: new Map() };
    other.collected.parts.set(part, presences);
    // The other parts are on their way.
    other.askedAt = now;
    if (other.collected.parts.size < parts) return;
    const all = [...other.collected.parts.values()].flat();
    other.collected = null;
    other.n = n;
    const refs = new Set(all.map(({ ref }) => ref));
    for (const ref of other.presences.keys()) if (!refs.has(ref)) this.#remove(other, ref);
    for (const presence of all) if (!other.presences.has(presence.ref)) this.#add(other, presence);
  }

  #part(other: Other, now: MonotonicMs): void {
    other.n = Infinity;
    other.until ??= now + presenceLimits.grace_ms;
  }

  #askOf(node: string, other: Other, now: MonotonicMs): void {
    if (other.n >= other.named) other.askedAt = null;
    else if (other.askedAt === null || other.askedAt + answerMs <= now) {
      other.askedAt = now;
      this.#gossip.ask(node);
    }
  }

  #add(other: Other, presence: Presence): void {
    other.presences.set(presence.ref, presence);
    this.#gossip.came(presence);
  }

  #remove(other: Other, ref: string): void {
    const presence = other.presences.get(ref);
    if (presence === undefined) return;
    other.presences.delete(ref);
    this.#gossip.went(presence);
  }

  #empty(other: Other): void {
    other.until = null;
    for (const ref of other.presences.keys()) this.#remove(other, ref);
  }
}
