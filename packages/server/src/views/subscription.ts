import type { InstanceInput, ViewDefinition } from '@holdfast/engine/view';
import { isRefusal, type Refusal } from '@holdfast/protocol';
import {
  readAllowUpload,
  readParamsChange,
  readUploadError,
  readUploadProgress,
  readUploadRef,
  readViewCommand,
  type ViewFault,
} from '@holdfast/protocol/views';
import type { CommandRate } from './command-rate.ts';
import type { PassedParams } from './admission.ts';
import type { Soon } from './env.ts';
import type { KeptRoots } from './kept-roots.ts';
import type { InstanceHost } from './instance-host.ts';
import type { Subscriber, ViewRequests } from './seat.ts';

/** One channel that is attached to an instance: what the client asks there. */
export class Subscription implements ViewRequests {
  readonly host: InstanceHost;
  readonly subscriber: Subscriber;
  readonly #rate: CommandRate;
  readonly #kept: KeptRoots;
  readonly #passParams: (given: unknown) => Soon<PassedParams>;
  readonly #authorize: (params: unknown) => Promise<ViewFault | null>;
  readonly #left: () => void;

  constructor(
    host: InstanceHost,
    subscriber: Subscriber,
    of: {
      readonly rate: CommandRate;
      readonly kept: KeptRoots;
      readonly passParams: (given: unknown) => Soon<PassedParams>;
      /** Why the client may not have these params; null: it may. */
      readonly authorize: (params: unknown) => Promise<ViewFault | null>;
      /** The channel has ended. */
      readonly left: () => void;
    },
  ) {
    this.host = host;
    this.subscriber = subscriber;
    this.#rate = of.rate;
    this.#kept = of.kept;
    this.#passParams = of.passParams;
    this.#authorize = of.authorize;
    this.#left = of.left;
  }

  /** Takes a push of the client (views.md §7, §10, §4.6). */
  push(slot: number, event: string, payload: unknown): void {
    switch (event) {
      case 'command':
        this.#command(slot, payload);
        return;
      case 'params':
        void this.#params(slot, payload);
        return;
      case 'allow_upload':
        this.#allowUpload(slot, payload);
        return;
      case 'cancel_upload':
      case 'refresh_upload':
        this.#upload(slot, readUploadRef(payload), (ref, of) => ({ type: event, ...ref, ...of }));
        return;
      case 'upload_progress':
        this.#upload(slot, readUploadProgress(payload), (at, of) => ({
          type: event,
          ...at,
          ...of,
        }));
        return;
      case 'upload_error':
        this.#upload(slot, readUploadError(payload), (why, of) => ({ type: event, ...why, ...of }));
        return;
      default:
        this.#deny(slot, { reason: 'unknown event' });
    }
  }

  /** Its channel has ended; kept: the client may come back. */
  leave(keep: boolean): void {
    this.#left();
    const isKept = keep && this.subscriber.token !== null;
    this.host.detach(this.subscriber, isKept);
    if (isKept) this.#kept.add(this.host, this.subscriber);
  }

  lagging(): void {
    this.host.lagging(this.subscriber);
  }

  recovered(): void {
    this.host.step({ type: 'recovered', subscriber: this.subscriber.number });
  }

  #command(slot: number, payload: unknown): void {
    const subscriber = this.subscriber.number;
    const ticket = this.host.ticket(this.subscriber, slot, true);
    if (ticket === null) return;
    const command = readViewCommand(payload);
    if (isRefusal(command)) {
      this.#refuse(ticket, command.toResponse());
    } else if (!this.#isLimited(ticket)) {
      const ledger = command.client_op_id === null ? null : this.subscriber.ledger;
      this.host.step({ type: 'command', ticket, subscriber, command, ledger });
    }
  }

  async #params(slot: number, payload: unknown): Promise<void> {
    const ticket = this.host.ticket(this.subscriber, slot, false);
    if (ticket === null) return;
    const { view } = this.host.config;
    const params = readParamsChange(payload);
    if (isRefusal(params)) {
      this.#refuse(ticket, params.toResponse());
    } else if (view.onParams === undefined || view.scope === 'shared') {
      this.#refuse(ticket, { reason: 'unsupported' });
    } else if (!this.#isLimited(ticket)) {
      const passing = this.#passParams(params);
      this.#changeParams(ticket, params, passing instanceof Promise ? await passing : passing);
    }
  }

  #isLimited(ticket: number): boolean {
    const fault = this.#limited();
    if (fault !== null) this.#refuse(ticket, fault);
    return fault !== null;
  }

  /** Whether it is one too many for now; a Musubi client is told that alone (views.md §1). */
  #limited(): ViewFault | null {
    const waitMs = this.#rate.take();
    if (waitMs === 0) return null;
    const more = this.subscriber.capver4 && { retry_after_ms: waitMs };
    return { reason: 'rate_limited', ...more };
  }

  #changeParams(ticket: number, given: unknown, passed: PassedParams): void {
    if ('reason' in passed) {
      this.#refuse(ticket, passed);
      return;
    }
    const params = passed.value;
    const subscriber = this.subscriber.number;
    // Else a client would have what a join would not give it.
    const authorize = (): Promise<ViewFault | null> => this.#authorize(params);
    this.host.step({ type: 'params', ticket, subscriber, params, given, authorize });
  }

  /** It has application code run, as commands do, and is charged like them. */
  #allowUpload(slot: number, payload: unknown): void {
    const fault = this.#limited();
    if (fault !== null) {
      this.#deny(slot, fault);
      return;
    }
    this.#upload(slot, readAllowUpload(payload), (wish, of) => ({
      type: 'allow_upload',
      ...wish,
      ...of,
    }));
  }

  #upload<Request extends object>(
    slot: number,
    request: Request | Refusal,
    inputOf: (
      request: Request,
      of: { readonly ticket: number; readonly subscriber: number },
    ) => InstanceInput,
  ): void {
    if (isRefusal(request)) {
      this.#deny(slot, request.toResponse());
      return;
    }
    const ticket = this.host.ticket(this.subscriber, slot, false);
    if (ticket === null) return;
    this.host.step(inputOf(request, { ticket, subscriber: this.subscriber.number }));
  }

  #deny(slot: number, response: object): void {
    const version = this.subscriber.capver4 ? this.host.version : null;
    this.subscriber.seat?.answer({ slot, version }, 'error', response);
  }

  /** After the replies to all commands that came before. */
  #refuse(ticket: number, response: Extract<InstanceInput, { type: 'answer' }>['response']): void {
    this.host.step({ type: 'answer', ticket, subscriber: this.subscriber.number, response });
  }
}

/** Whether a view has an instance for all who ask for the same. */
export function isShared(view: ViewDefinition): boolean {
  return view.scope === 'shared';
}
