import { type BadFrame, type Frame, isBadFrame, isObject, isReason } from '@holdfast/protocol';

/**
 * What a peer must be answered, by the rules of the conversation alone (stores.md §7.2, §7.3): every readable frame with
 * a ref, but for those of an earlier life of their channel.
 */
export class Expectations {
  readonly problems: string[] = [];
  readonly #waiting = new Map<string, Frame | BadFrame>();
  readonly #used = new Set<string>();
  readonly #joinRefs = new Map<string, string>();
  /** Frames that say nothing anybody could answer. */
  unreadable = 0;
  answered = 0;
  accepted = 0;
  /** The response of the last reply. */
  lastResponse: unknown = null;

  get isMet(): boolean {
    return this.#waiting.size === 0;
  }

  /** The ref of the last join of a topic that could be one. */
  joinRefOf(topic: string): string | null {
    return this.#joinRefs.get(topic) ?? null;
  }

  /** What is still to be answered. */
  missing(): readonly string[] {
    return [...this.#waiting.values()].map((frame) => JSON.stringify(frame).slice(0, 300));
  }

  sent(frame: Frame | BadFrame): void {
    if (isBadFrame(frame) && frame.kind === 'unreadable') {
      this.unreadable += 1;
      return;
    }
    const { ref, topic } = frame;
    if (ref === null) return;
    const isRepeated = this.#used.has(ref);
    this.#used.add(ref);
    if (isRepeated) this.#waiting.delete(ref);
    else if (this.#isAnswerable(frame)) this.#waiting.set(ref, frame);
    if (this.#isJoin(frame)) {
      this.#supersede(topic, ref);
      this.#joinRefs.set(topic, ref);
    }
  }

  received({ ref, topic, event, payload }: Frame): void {
    if (event === 'phx_error') this.problems.push(`channel ${topic} crashed`);
    if (event === 'phx_close' && ref !== null) this.#waiting.delete(ref);
    if (event !== 'phx_reply') return;
    if (ref === null) {
      this.problems.push('a reply without a ref');
      return;
    }
    const asked = this.#waiting.get(ref);
    if (!this.#used.has(ref)) this.problems.push(`a reply to ${ref}, which was never sent`);
    this.#waiting.delete(ref);
    this.answered += 1;
    this.lastResponse = payload;
    const fault = faultOf(payload);
    if (fault === null) {
      if (isObject(payload) && payload['status'] === 'ok') this.accepted += 1;
      return;
    }
    this.problems.push(`${fault}, to ${JSON.stringify(asked).slice(0, 1000)}`);
  }

  #isAnswerable(frame: Exclude<Frame | BadFrame, { kind: 'unreadable' }>): boolean {
    const { joinRef, ref, topic } = frame;
    if (this.#isJoin(frame) || topic === 'phoenix') return true;
    if (!isBadFrame(frame) && frame.event === 'phx_join') return true;
    // A bad frame with equal refs was a join.
    if (joinRef === null || (isBadFrame(frame) && joinRef === ref)) return true;
    return joinRef === this.#joinRefs.get(topic);
  }

  #isJoin(frame: Exclude<Frame | BadFrame, { kind: 'unreadable' }>): boolean {
    if (isBadFrame(frame) || frame.event !== 'phx_join' || frame.topic === 'phoenix') return false;
    return frame.joinRef === null || frame.joinRef === frame.ref;
  }

  /** A join ends the channel before it, and with it what was asked there. */
  #supersede(topic: string, by: string): void {
    for (const [ref, frame] of this.#waiting) {
      if ('topic' in frame && frame.topic === topic && ref !== by) this.#waiting.delete(ref);
    }
  }
}

/** What is wrong with a reply; null where nothing is. */
function faultOf(payload: unknown): string | null {
  if (!isObject(payload) || !isObject(payload['response'])) return 'a reply of another shape';
  const { status, response } = payload;
  if (status === 'ok') return null;
  if (status !== 'error') return `status ${JSON.stringify(status)}`;
  const { reason } = response;
  if (typeof reason !== 'string' || !isReason(reason)) {
    return `reason ${JSON.stringify(reason)} is not in the table`;
  }
  const isBug = reason === 'internal_error' || reason === 'join crashed';
  return isBug ? `the server failed (${JSON.stringify(response)})` : null;
}
