import type { Outcome } from '@holdfast/engine/replica';
import {
  HoldfastError,
  isObject,
  isRefusal,
  type OpId,
  refuse,
  type Request,
} from '@holdfast/protocol';
import type { Answer, FollowerChannel, Push } from './follower.ts';
import { RelayedReceipt } from './relayed-receipt.ts';
import type { SeatedStore } from './seat.ts';
import type { Message } from './snapshot.ts';

/** What is needed to relay writes. */
export type RelayedPorts = {
  store(): SeatedStore | null;
  relayed(opId: OpId): void;
  /** Ends a channel; it is joined again. */
  shut(channel: FollowerChannel): void;
};

/** What other tabs push to a store: their writes go through the leader's outbox, anything else is asked for them. */
export class RelayedWrites {
  readonly #ports: RelayedPorts;
  readonly #asked = new Map<OpId, Answer[]>();
  /** Those that we have for nobody but the tab that asks, or had while that lived. */
  readonly #others = new Map<OpId, RelayedReceipt>();

  constructor(ports: RelayedPorts) {
    this.#ports = ports;
  }

  /** Another tab leads, and decides what is asked of it: whatever those were told there, we do not send it once more. */
  resign(): void {
    for (const opId of this.#others.keys()) {
      // What a tab that is gone has left we had for our own meanwhile: it stays in the cache for whoever leads next.
      this.#ports.relayed(opId);
      this.#ports.store()?.cancel(opId, true);
    }
  }

  /** What a tab that is gone has left is listed here, and a refusal of it kept; says whether we have it to send. */
  list(opId: OpId): boolean {
    const receipt = this.#others.get(opId);
    if (receipt === undefined) return false;
    receipt.isListed = true;
    this.#ports.store()?.relisted();
    return true;
  }

  push(from: FollowerChannel, push: Push, answer: Answer): void {
    if (push.event === 'ack_seq') answer('ok', {});
    else if (push.write === null) this.#ask(push, answer);
    else if (isRefusal(push.write)) answer('error', push.write.toResponse());
    else this.#write(from, { ...push, write: push.write }, answer);
  }

  #write(
    from: FollowerChannel,
    push: Push & { readonly write: { readonly opId: OpId; readonly request: Request } },
    answer: Answer,
  ): void {
    const { opId, request } = push.write;
    const asked = this.#asked.get(opId);
    const state = this.#ports.store()?.stateOf(opId) ?? null;
    if (asked !== undefined) {
      asked.push(answer);
    } else if (state === 'answered') {
      // Committed, which the server can tell and we cannot. That it could not be asked is no refusal of the write.
      this.#ask(push, answer, () => this.#ports.shut(from));
    } else {
      this.#asked.set(opId, [answer]);
      this.#relay(opId, request, from);
    }
  }

  #relay(opId: OpId, request: Request, from: FollowerChannel): void {
    const store = this.#ports.store();
    if (store === null) return;
    const told = (outcome: Outcome): void => {
      const answers = this.#asked.get(opId) ?? [];
      this.#asked.delete(opId);
      this.#others.delete(opId);
      const isLater = outcome.status === 'refused' && mayPass(outcome.refusal);
      // What was sent after it must not come before it: the channel begins again, with this one first.
      if (isLater) this.#ports.shut(from);
      else for (const answer of answers) tell(outcome, answer);
    };
    const receipt = new RelayedReceipt({ opId, request }, { store, told });
    // What is here already, such as what both have found of a tab that is gone, is ours as before.
    if (store.stateOf(opId) === null) {
      receipt.isListed = false;
      this.#others.set(opId, receipt);
      this.#ports.relayed(opId);
    }
    store.request(receipt, { blind: true }, (found) => receipt.replace(found));
  }

  #ask({ event, payload }: Message, answer: Answer, failed?: () => void): void {
    if (!isObject(payload)) {
      answer('error', refuse('invalid_payload', { field: 'payload' }).toResponse());
      return;
    }
    this.#ports
      .store()
      ?.ask(event, payload)
      .then(
        (response) => answer('ok', isObject(response) ? response : {}),
        (error: unknown) => {
          const why = error instanceof HoldfastError ? error : refuse('unavailable');
          if (failed !== undefined && mayPass(why)) failed();
          else answer('error', { ...why.details, reason: why.code });
        },
      );
  }
}

function tell(outcome: Outcome, answer: Answer): void {
  if (outcome.status === 'committed') answer('ok', outcome.reply);
  else answer('error', outcome.refusal.toResponse());
}

/** Of the leader, not of the request: it did not get as far as the server. */
function mayPass({ code, retry }: Pick<HoldfastError, 'code' | 'retry'>): boolean {
  return retry === 'later' || code === 'closed' || code === 'cancelled' || code === 'outbox_full';
}
