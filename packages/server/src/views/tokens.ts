import { randomBytes } from 'node:crypto';
import type { CommandLedger } from '@holdfast/engine/view';
import type { Principal } from '../access/index.ts';
import type { InstanceHost } from './instance-host.ts';
import type { Subscriber } from './seat.ts';

/** What a token stands for: a subscriber of an instance, and what it asked for (views.md §4.3). */
export type Resumable = {
  readonly principal: Principal;
  /** Stands for module, id and canonical params, as they are by now. */
  place: string;
  readonly ledger: CommandLedger;
  /** Null: the instance or the subscriber has ended; only its commands are remembered. */
  live: { readonly host: InstanceHost; readonly subscriber: Subscriber } | null;
  /** When its channel ended; null: it has one. */
  leftAt: number | null;
  /** When it is forgotten altogether; null: not while it lives. */
  until: number | null;
};

/** So long a client may have been gone before its channel ended. */
const SILENT_MS = 120_000;

/** Whether every answer that the client of a token may lack is remembered (views.md §4.5). */
export function mayResend({ ledger, leftAt }: Resumable, now: number): boolean {
  return ledger.holdsSince((leftAt ?? now) - SILENT_MS);
}

/** The tokens by which clients come back; a process knows its own (views.md §4.5). */
export class ResumeTokens {
  readonly #node: string;
  readonly #dedupeMs: number;
  readonly #known = new Map<string, Resumable>();

  constructor(node: string, dedupeMs: number) {
    this.#node = node;
    this.#dedupeMs = dedupeMs;
  }

  /** A new token; the node's name comes first, for whoever routes by it. */
  draw(): string {
    return `${this.#node}.${randomBytes(24).toString('base64url')}`;
  }

  find(token: string): Resumable | null {
    return this.#known.get(token) ?? null;
  }

  set(token: string, resumable: Resumable): void {
    this.#known.set(token, resumable);
  }

  /** The channel of the subscriber has ended. */
  left(token: string, now: number): void {
    const found = this.#known.get(token);
    if (found !== undefined) found.leftAt = now;
  }

  /** The subscriber has ended; the records of its commands outlive it. */
  retire(token: string, now: number): void {
    const found = this.#known.get(token);
    if (found === undefined) return;
    found.live = null;
    found.leftAt ??= now;
    found.until = now + this.#dedupeMs;
  }

  /** What is remembered of the commands of all who may come back. */
  ledgers(): readonly CommandLedger[] {
    return Array.from(this.#known.values(), ({ ledger }) => ledger);
  }

  sweep(now: number): void {
    for (const [token, { until }] of this.#known) {
      if (until !== null && until <= now) this.#known.delete(token);
    }
  }
}
