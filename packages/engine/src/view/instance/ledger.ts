import { type JsonObject, utf8Length } from '@holdfast/protocol';
import type { ViewFault, ViewLimits } from '@holdfast/protocol/views';

/** What a command was answered. */
export type CommandAnswer = {
  readonly status: 'ok' | 'error';
  readonly response: JsonObject | ViewFault;
};

type Running = { readonly waiting: ((answer: CommandAnswer) => void)[] };
type Reply = { readonly answer: CommandAnswer; readonly bytes: number };

/** What is known of a command when it comes: whether somebody must run it. */
export type Claim = 'run' | 'wait' | CommandAnswer;

/**
 * Remembers the commands of one principal on one root, so that each happens once however often it is sent (views.md
 * §7.3). It outlives instances: the host keeps one per (module, id, principal), or per token where nobody signed in.
 */
export class CommandLedger {
  readonly #limits: ViewLimits;
  readonly #running = new Map<string, Running>();
  /** When each was answered, in that order. */
  readonly #done = new Map<string, number>();
  /** What they were answered, where that is kept, in the same order. */
  readonly #replies = new Map<string, Reply>();
  #bytes = 0;
  /** When the last command was answered, and the last of those that are forgotten. */
  #answeredAt = -Infinity;
  #forgottenAt = -Infinity;

  constructor(limits: ViewLimits) {
    this.#limits = limits;
  }

  /** Whether nothing has to be kept any more at this time; the host may forget it. */
  isIdle(now: number): boolean {
    return this.#running.size === 0 && now - this.#answeredAt > this.#limits.dedupe_ms;
  }

  /** Whether every command that was answered since then is remembered. */
  holdsSince(at: number): boolean {
    return this.#forgottenAt < at;
  }

  /** Who sends a command: it is to run, or its answer is there, or `later` is called with it. */
  claim(opId: string, later: (answer: CommandAnswer) => void): Claim {
    if (this.#done.has(opId)) return this.#replies.get(opId)?.answer ?? alreadyExecuted;
    const running = this.#running.get(opId);
    if (running !== undefined) {
      running.waiting.push(later);
      return 'wait';
    }
    this.#running.set(opId, { waiting: [] });
    return 'run';
  }

  /** The command is answered; repeats get the same. */
  settle(opId: string, answer: CommandAnswer, now: number): void {
    const running = this.#running.get(opId);
    this.#running.delete(opId);
    this.#done.delete(opId);
    this.#done.set(opId, now);
    this.#keep(opId, answer);
    this.#answeredAt = now;
    this.#forget(now);
    for (const later of running?.waiting ?? []) later(answer);
  }

  /** It has not run, nor will it: a repeat of it may. */
  release(opId: string, answer: CommandAnswer): void {
    const running = this.#running.get(opId);
    this.#running.delete(opId);
    for (const later of running?.waiting ?? []) later(answer);
  }

  /** Keeps an answer unless it is too long; of all so much as the last of them may have together, or memory would be the client's. */
  #keep(opId: string, answer: CommandAnswer): void {
    const { dedupe_reply_bytes: longest, dedupe_count: count } = this.#limits;
    this.#drop(opId);
    const bytes = utf8Length(JSON.stringify(answer.response));
    if (bytes === -1 || bytes > longest) return;
    this.#replies.set(opId, { answer, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#replies.keys()) {
      if (this.#bytes <= count * longest) return;
      this.#drop(oldest);
    }
  }

  #drop(opId: string): void {
    this.#bytes -= this.#replies.get(opId)?.bytes ?? 0;
    this.#replies.delete(opId);
  }

  // Both must be exceeded: each is kept for five minutes at least, and so are the last 1024 (§7.3).
  #forget(now: number): void {
    const { dedupe_count: count, dedupe_ms: ms } = this.#limits;
    for (const [opId, at] of this.#done) {
      if (this.#done.size <= count || now - at <= ms) return;
      this.#done.delete(opId);
      this.#drop(opId);
      this.#forgottenAt = at;
    }
  }
}

const alreadyExecuted: CommandAnswer = {
  status: 'error',
  response: { reason: 'already_executed' },
};
