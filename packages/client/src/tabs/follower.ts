import {
  type Limits,
  type OpId,
  type Refusal,
  type Request,
  type RequestLimits,
  requestLimits,
} from '@holdfast/protocol';
import type { ClientEnv } from '../env.ts';
import type { Message } from './snapshot.ts';

/** How a push ends. */
export type Answer = (status: 'ok' | 'error', response: object) => void;

/** What another tab pushes; of a write, what it says. */
export type Push = Message & {
  readonly write: { readonly opId: OpId; readonly request: Request } | Refusal | null;
};

/** The limits on what another tab asks for. */
export type AskLimits = RequestLimits & Pick<Limits, 'max_patterns'>;

/** As long as the server has told none; how many patterns there may be it tells the leader. */
export const askLimits: AskLimits = { ...requestLimits, max_patterns: Infinity };

/** The leader's end of one joined channel of another tab. */
export interface FollowerChannel {
  accept(response: object): void;
  refuse(refusal: Refusal): void;
  push(message: Message): void;
  /** Ends the channel; it is joined again, and what is unanswered is sent again. */
  shut(): void;
  /** It cannot be served here, but may be by the server. */
  decline(): void;
}

/** What is needed of the leader. */
export type ServingPorts = {
  readonly env: ClientEnv;
  report(error: unknown): void;
  /** A request of another tab is in our outbox now; it keeps its own record of it in the cache. */
  relayed(opId: OpId): void;
};
