export { Beat } from './beat.ts';
export { type Composed, compose, type RecordWrite, type Target } from './intent.ts';
export { isSameMajor, type Migrated, migrate } from './migration.ts';
export {
  fieldsMerged,
  inputOf,
  isWritable,
  mergeField,
  mergeMutation,
  mutated,
  type Mutable,
  putBack,
  writesTo,
} from './mutation.ts';
export { mutatorOf, refusalOf } from './mutator.ts';
export { share } from './share.ts';
export { Answered } from './transport/answered.ts';
export { backoffMs } from './transport/backoff.ts';
export { envelopeCodec } from './transport/codec.ts';
export { atOnce, Hub } from './transport/hub.ts';
export { InProcessTransport, type Isolation } from './transport/local.ts';
export {
  type BusCodec,
  type BusConnection,
  type NatsOptions,
  NatsTransport,
} from './transport/nats.ts';
export { natsBus, type NatsConnectionLike } from './transport/nats-bus.ts';
export type {
  Subscribed,
  SyncTransport,
  TransportOptions,
  TransportProblem,
  TransportStats,
  TransportStatus,
} from './transport/port.ts';
export { type EnvelopeStream, streamTransport } from './transport/stream.ts';
export { Reconciler } from './reconciler.ts';
export type {
  Have,
  ReconcilerConfig,
  ReconcilerEffect,
  ReconcilerInput,
  ReconcilerStats,
  ReconcilerStatus,
  ServerSide,
  Source,
} from './reconciler-types.ts';
