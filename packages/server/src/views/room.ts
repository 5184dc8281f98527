import type { Limits } from '@holdfast/protocol';
import type { ViewLimits } from '@holdfast/protocol/views';
import type { Principal } from '../access/index.ts';
import type { Clock } from '../host/clock.ts';
import type { Crowd } from '../host/crowd.ts';
import type { StoreDesk } from './store-desk.ts';
import type { ViewTelemetry } from './telemetry.ts';

/** What the views of one server need of it. */
export type ViewsRoom = {
  readonly clock: Clock;
  /** All instances that wait for another turn of the event loop. */
  readonly crowd: Crowd;
  readonly limits: Limits;
  readonly viewLimits: ViewLimits;
  readonly desk: StoreDesk;
  /** A new unguessable text. */
  readonly newId: () => string;
  /** Whether authors are told what they should know, and states are frozen. */
  readonly dev: boolean;
  /** Whether a principal may join what it asks for; absent: yes. */
  readonly onJoin: ((principal: Principal, payload: unknown) => unknown) | null;
  readonly telemetry: ((event: ViewTelemetry) => void) | null;
  readonly report: (what: string, error: unknown) => void;
  readonly warn: (what: string) => void;
};
