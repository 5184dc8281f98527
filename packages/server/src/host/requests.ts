import type { LoggedOp, Submission } from '@holdfast/engine/authority';
import {
  type DeviceId,
  isRefusal,
  type OpId,
  type Refusal,
  type Seq,
  type StoreName,
  type WriteReply,
} from '@holdfast/protocol';
import type { Meters } from '../metrics/index.ts';
import { endSpan, type Span, startRemoteSpan, startSpan, traceparentOf } from '../tracing/index.ts';

/** Where the answer to a submission goes. */
export type Receiver = {
  answered(ticket: number, answer: WriteReply | Refusal): void;
  /** The host has stopped for a bug: nobody knows the outcome. */
  lost?(): void;
  /** Whether the request is still its sender's to make, when it has waited for others (stores.md §11.3); absent: nobody's to lose. */
  mayStill?(): Promise<boolean>;
};

/** A commit that took longer than the operator wants. */
export type SlowCommit = {
  readonly store: StoreName;
  readonly ms: number;
  readonly seq: Seq;
  readonly device_id: DeviceId;
  readonly client_op_id: OpId;
};

/** What is noted of the requests of one store. */
export type RequestNotes = {
  readonly store: StoreName;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly meters: Meters;
  /** Hears of commits slower than `ms`. */
  readonly slow: { readonly ms: number; tell(commit: SlowCommit): void } | null;
};

type Asked = Pick<Submission, 'deviceId' | 'opId' | 'principal'> & {
  readonly receiver: Receiver;
  readonly at: number;
  /** The head when it came: an answer that names no later seq is that of an earlier request. */
  readonly head: Seq;
  /** null: nobody traces it. */
  readonly span: Span | null;
  /** By what its event names it to others who trace: the span, or else that of the client. */
  readonly trace: string | null;
};

/** Which requests are waited for. */
export type Settling = {
  readonly deviceId: DeviceId;
  readonly opId: OpId;
  /** A subject; null: anonymous. */
  readonly by?: string | null;
};

/** The traces of commits that have just been stored, by their last seqs. */
export type Traces = ReadonlyMap<Seq, string>;

const untraced: Traces = new Map();

/** A receiver that also tells somebody else that it was answered. */
function followed(receiver: Receiver, done: () => void): Receiver {
  return {
    ...receiver,
    answered: (ticket, answer) => {
      receiver.answered(ticket, answer);
      done();
    },
    lost: () => {
      receiver.lost?.();
      done();
    },
  };
}

/** Of a request and of its ops; others may use the same id. */
function nameOf(op: Pick<LoggedOp, 'deviceId' | 'clientOpId' | 'principal'>): string {
  return JSON.stringify([op.deviceId, op.clientOpId, op.principal]);
}

/** The requests of one store that wait for their answers, and who waits. */
export class OpenRequests {
  readonly #notes: RequestNotes;
  readonly #open = new Map<number, Asked>();
  /** How many of them are traced. */
  #traced = 0;

  constructor(notes: RequestNotes) {
    this.#notes = notes;
  }

  /** `trace`: what the request says of the trace that it is part of. */
  add(
    { ticket, deviceId, opId, principal }: Submission,
    receiver: Receiver,
    { head, trace }: { readonly head: Seq; readonly trace: string | null },
  ): void {
    const at = this.#notes.now();
    const span =
      trace === null ? startSpan('holdfast.commit') : startRemoteSpan('holdfast.commit', trace);
    const told = span === null ? trace : traceparentOf(span);
    if (told !== null) this.#traced += 1;
    const whose = { deviceId, opId, principal };
    this.#open.set(ticket, { ...whose, receiver, at, head, span, trace: told });
  }

  answer(ticket: number, answer: WriteReply | Refusal): void {
    const asked = this.#open.get(ticket);
    if (asked === undefined) return;
    this.#open.delete(ticket);
    this.#note(asked, answer);
    if (asked.trace !== null) this.#traced -= 1;
    if (asked.span !== null) this.#endSpan(asked.span, asked, answer);
    asked.receiver.answered(ticket, answer);
  }

  /** Whether a request is still its sender's to make. */
  async mayStill(ticket: number): Promise<boolean> {
    return (await this.#open.get(ticket)?.receiver.mayStill?.()) ?? true;
  }

  /** The spans of the requests that these ops are of. */
  spansOf(ops: readonly LoggedOp[]): readonly Span[] {
    if (this.#traced === 0) return [];
    const ids = new Set(ops.map(nameOf));
    return [...this.#open.values()].flatMap(({ span, ...asked }) =>
      span !== null && ids.has(nameOf({ ...asked, clientOpId: asked.opId })) ? [span] : [],
    );
  }

  /** What others are told of the traces of these ops. */
  tracesOf(ops: readonly LoggedOp[]): Traces {
    if (this.#traced === 0) return untraced;
    const byId = new Map<string, string>();
    for (const { trace, ...asked } of this.#open.values()) {
      if (trace !== null) byId.set(nameOf({ ...asked, clientOpId: asked.opId }), trace);
    }
    const traces = new Map<Seq, string>();
    for (const op of ops) {
      const trace = byId.get(nameOf(op));
      if (trace !== undefined) traces.set(op.tx ?? op.seq, trace);
    }
    return traces;
  }

  /** Resolves when no request of this id is open that somebody asked; without `by`, that anybody did. False: there was none. */
  async settled({ deviceId, opId, by }: Settling): Promise<boolean> {
    const answers: Promise<void>[] = [];
    for (const [ticket, asked] of this.#open) {
      if (asked.deviceId !== deviceId || asked.opId !== opId) continue;
      if (by !== undefined && asked.principal !== by) continue;
      answers.push(
        new Promise((resolve) => {
          this.#open.set(ticket, { ...asked, receiver: followed(asked.receiver, resolve) });
        }),
      );
    }
    await Promise.all(answers);
    return answers.length > 0;
  }

  /** The host stopped: nobody will answer. */
  lose(): void {
    for (const { receiver, span } of this.#open.values()) {
      receiver.lost?.();
      span?.end();
    }
    this.#open.clear();
    this.#traced = 0;
  }

  #endSpan(span: Span, { deviceId, opId }: Asked, answer: WriteReply | Refusal): void {
    span.setAttributes({
      'holdfast.store': this.#notes.store,
      'holdfast.device_id': deviceId,
      'holdfast.client_op_id': opId,
      ...(!isRefusal(answer) && 'store_seq' in answer && { 'holdfast.seq': answer.store_seq }),
    });
    endSpan(span, isRefusal(answer) ? answer.code : null);
  }

  #note(asked: Asked, answer: WriteReply | Refusal): void {
    const { meters, now, slow, store } = this.#notes;
    if (isRefusal(answer) || !('store_seq' in answer)) return;
    if (answer.store_seq <= asked.head) {
      meters.dedupeHits.add();
      return;
    }
    const ms = now() - asked.at;
    meters.commitTime.observeMs(ms);
    if (slow === null || ms < slow.ms) return;
    meters.slowCommits.add();
    const { deviceId, opId } = asked;
    slow.tell({ store, ms, seq: answer.store_seq, device_id: deviceId, client_op_id: opId });
  }
}
