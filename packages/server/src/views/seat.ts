import type { CommandLedger, Tail } from '@holdfast/engine/view';
import type { Principal } from '../access/index.ts';
import type { UploadBudget } from './uploads/budget.ts';

/** What the client of a channel asks of the instance that it has come to. */
export type ViewRequests = {
  push(slot: number, event: string, payload: unknown): void;
  /** The channel has ended; kept: the client may come back. */
  leave(keep: boolean): void;
  /** The socket has more to send than it should. */
  lagging(): void;
  recovered(): void;
};

/** Where what an instance has for one subscriber goes: its channel. */
export type ViewSeat = {
  /** The reply to the join. What the subscriber lacks follows in the same turn. */
  joined(response: object, requests: ViewRequests): void;
  envelope(base: number, version: number, tail: Tail): void;
  /** The reply to the push of a slot; `version` null: it is not for this client. */
  answer(
    to: { readonly slot: number; readonly version: number | null },
    status: 'ok' | 'error',
    response: object,
  ): void;
  /** Ends the channel: by `phx_error`, or, where another has taken its place, by `phx_close` (views.md §2). */
  end(how: 'failed' | 'replaced'): void;
  /** Whether its client still has the rights by which it came (stores.md §11.3); absent: they are nobody's to lose. */
  grantsStill?(): Promise<boolean>;
};

/** One who is attached to an instance, or may come back to it. */
export type Subscriber = {
  readonly number: number;
  readonly principal: unknown;
  /** What the client resumes by; null: it did not ask for that. */
  readonly token: string | null;
  readonly capver4: boolean;
  /** What is remembered of its commands. */
  readonly ledger: CommandLedger;
  /** What its connection may have open. */
  budget: UploadBudget;
  /** Null: its channel has ended. */
  seat: ViewSeat | null;
};

/** Who does something with rights of its own. */
export function asPrincipal(given: unknown): Principal {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the machine hands back what it was given
  return given as Principal;
}
