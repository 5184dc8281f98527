import { asGlob, type Glob, isObject, isRefusal, readScopeReply } from '@holdfast/protocol';
import { scopeId } from '@holdfast/engine/replica';
import type { SeatedNews } from './seat.ts';
import type { Message } from './snapshot.ts';

const whole = asGlob('**');

/** Knows the snapshots that a leader has asked for itself: each is of what its scope has grown by (stores.md §10.4.4). */
export class Additions {
  #awaited: ReadonlySet<unknown> = new Set();
  #isComing = false;

  /**
   * A request is answered: a change of the scope, perhaps, after which this is held; null: it is none. Nothing follows one
   * that adds nothing.
   */
  answered(
    { id, status, response }: Extract<SeatedNews, { type: 'reply' }>,
    held: readonly Glob[] = [],
  ): readonly Glob[] | null {
    if (id !== scopeId) return null;
    const reply = status === 'ok' ? readScopeReply(response) : null;
    const patterns = reply === null || isRefusal(reply) ? null : (reply.patterns ?? [whole]);
    const known = new Set(held);
    this.#awaited = new Set(patterns?.filter((each) => !known.has(each)));
    return patterns;
  }

  /** Whether a message of a snapshot is of one of these. */
  has({ event, payload }: Message): boolean {
    if (event === 'snapshot_begin') {
      this.#isComing = isObject(payload) && isOf(payload['within'], this.#awaited);
      this.#awaited = new Set();
    }
    const isComing = this.#isComing;
    if (event === 'snapshot_end') this.#isComing = false;
    return isComing;
  }

  clear(): void {
    this.#awaited = new Set();
    this.#isComing = false;
  }
}

function isOf(within: unknown, globs: ReadonlySet<unknown>): boolean {
  if (!Array.isArray(within) || globs.size === 0) return false;
  return within.length === globs.size && within.every((each) => globs.has(each));
}
