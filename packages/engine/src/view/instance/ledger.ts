import { type JsonObject, utf8Length } from '@holdfast/protocol';
import type { ViewFault, ViewLimits } from '@holdfast/protocol/views';

/** What a command was answered. */
export type CommandAnswer = {
  readonly status: 'ok' | 'error';
  readonly response: JsonObject | ViewFault;
};

type Running = { readonly waiting: ((answer: CommandAnswer) => void)[] };
type Done = { readonly at: number; readonly answer: CommandAnswer };

/** What is known of a command when it comes: whether somebody must run it. */
export type Claim = 'run' | 'wait' | CommandAnswer;

/**
 * Remembers the commands of one principal on one root, so that each happens once however often it is sent (views.md
 * §7.3). It outlives instances: the host keeps one per (module, id, principal), or per token where nobody signed in.
 */
export class CommandLedger {
  readonly #limits: ViewLimits;
  readonly #running = new Map<string, Running>();
  /** In the order of their answers. */
  readonly #done = new Map<string, Done>();
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
    const done = this.#done.get(opId);
    if (done !== undefined) return done.answer;
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
    this.#done.set(opId, { at: now, answer: this.#kept(answer) });
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

  #kept(answer: CommandAnswer): CommandAnswer {
    const bytes = utf8Length(JSON.stringify(answer.response));
    if (bytes !== -1 && bytes <= this.#limits.dedupe_reply_bytes) return answer;
    return { status: 'error', response: { reason: 'already_executed' } };
  }

  // Both must be exceeded: each is kept for five minutes at least, and so are the last 1024 (§7.3).
  #forget(now: number): void {
    const { dedupe_count: count, dedupe_ms: ms } = this.#limits;
    for (const [opId, { at }] of this.#done) {
      if (this.#done.size <= count || now - at <= ms) return;
      this.#done.delete(opId);
      this.#forgottenAt = at;
    }
  }
}
