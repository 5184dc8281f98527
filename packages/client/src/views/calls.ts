import { HoldfastError, isObject, type JsonObject, RejectedError } from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import { faultCodeOf, type NodeId } from '@holdfast/protocol/views';
import type { ClientEnv } from '../env.ts';

/** What is asked of a root on its channel. */
export type Wish = {
  readonly event: string;
  readonly storeId: NodeId;
  readonly name: string;
  /** What goes beside the address. */
  readonly rest: object;
  /** It may be sent again after a lost connection: the server remembers what it has done. */
  readonly isRepeatable?: boolean;
  /** It may be sent again whatever the server remembers. */
  readonly isIdempotent?: boolean | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** False: it fails while the root is not live. */
  readonly queue?: boolean | undefined;
};

/** How a call ended, for what is shown meanwhile: with the version that has its effects, or not at all. */
export type Ended = (ok: { readonly version: number | null } | null) => void;

type Call = {
  readonly id: string;
  readonly wish: Wish;
  readonly answer: Deferred<JsonObject>;
  readonly ended: Ended;
  isSent: boolean;
  off: () => void;
};

/** What calls need of the mount that they belong to. */
export interface CallPorts {
  readonly env: ClientEnv;
  readonly isLive: boolean;
  /** Of the server; null: not known yet. */
  readonly capver: number | null;
  readonly timeoutMs: number | undefined;
  push(id: string, event: string, payload: object): void;
}

const answerMs = 35_000;
const musubiAnswerMs = 10_000;

/** Commands and other requests of one mount, in their order (views.md §12.7). */
export class Calls {
  readonly #ports: CallPorts;
  readonly #calls = new Map<string, Call>();

  constructor(ports: CallPorts) {
    this.#ports = ports;
  }

  /** Sends a request, now or once the root is live. `id` is nobody else's. */
  make(id: string, wish: Wish, ended: Ended): Promise<JsonObject> {
    const { env, isLive, capver, timeoutMs } = this.#ports;
    const call: Call = { id, wish, answer: deferred(), ended, isSent: false, off: () => undefined };
    const { signal } = wish;
    this.#calls.set(id, call);
    if (!isLive && wish.queue === false) this.#fail(call, 'disconnected');
    else if (signal?.aborted === true) this.#end(call, signal.reason);
    if (!this.#calls.has(id)) return call.answer.promise;
    const limitMs = capver === 0 ? musubiAnswerMs : answerMs;
    const expire = (): void => this.#fail(call, 'timeout');
    const ms = wish.timeoutMs ?? timeoutMs ?? limitMs;
    const timer = ms < Infinity && env.setTimeout(expire, ms);
    const abort = (): void => this.#end(call, signal?.reason);
    signal?.addEventListener('abort', abort);
    call.off = () => {
      env.clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    if (isLive) this.#send(call);
    return call.answer.promise;
  }

  /** The root is live: what was sent before goes first, then what has waited. */
  live(): void {
    for (const call of this.#calls.values()) this.#send(call);
  }

  /** Answers of what was sent will not come; it may be sent again once that is known to be harmless. */
  lost(mayRepeat: boolean): void {
    for (const call of this.#calls.values()) {
      const { isIdempotent = false, isRepeatable = false } = call.wish;
      const isKept = isIdempotent || (isRepeatable && mayRepeat);
      if (call.isSent && !isKept) this.#fail(call, 'disconnected');
    }
  }

  answered({
    id,
    status,
    response: said,
    version,
  }: {
    readonly id: string;
    readonly status: string;
    readonly response: unknown;
    readonly version?: unknown;
  }): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded, hence JSON
    const response = (isObject(said) ? said : {}) as JsonObject;
    if (status !== 'ok') {
      const code = faultCodeOf(response) ?? 'unknown_reason';
      const of = { ...this.#detailsOf(call), reply: response, mayHaveRun: false };
      this.#end(call, new RejectedError(code, { ...response, ...of }));
      return;
    }
    this.#calls.delete(id);
    call.off();
    call.ended({ version: typeof version === 'number' ? version : null });
    call.answer.resolve(response);
  }

  /** None of them is answered any more; what was sent may be done all the same. */
  close(error: HoldfastError): void {
    for (const call of this.#calls.values()) {
      if (error.code === 'closed') this.#fail(call, 'closed');
      else if (!call.isSent) this.#end(call, error);
      else this.#fail(call, 'disconnected');
    }
  }

  #send(call: Call): void {
    const { event, storeId, name, rest, isRepeatable = false } = call.wish;
    const opId = isRepeatable && (this.#ports.capver ?? 0) >= 4 ? { client_op_id: call.id } : {};
    call.isSent = true;
    const address = event !== 'params' && { store_id: storeId, name };
    this.#ports.push(call.id, event, { ...address, ...rest, ...opId });
  }

  #fail(call: Call, code: 'disconnected' | 'timeout' | 'closed'): void {
    const details = { ...this.#detailsOf(call), mayHaveRun: call.isSent };
    this.#end(call, new HoldfastError(code, details));
  }

  #end(call: Call, error: unknown): void {
    this.#calls.delete(call.id);
    call.off();
    call.ended(null);
    call.answer.reject(error);
  }

  #detailsOf({ wish: { name: command, storeId } }: Call): {
    readonly command: string;
    readonly storeId: NodeId;
  } {
    return { command, storeId };
  }
}
