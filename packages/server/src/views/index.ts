export { CommandRate } from './command-rate.ts';
export { definitionOf, openViews, type Views } from './open-views.ts';
export type { Joining } from './admission.ts';
export type { Roots } from './roots.ts';
export type { ViewRequests, ViewSeat } from './seat.ts';
export { Subscription } from './subscription.ts';
export type { ViewTelemetry } from './telemetry.ts';
export type { Transfer, TransferSeat } from './uploads/transfer.ts';
export type { Transfers } from './uploads/transfers.ts';
