export { canonicalJson } from './canonical.ts';
export { decodeExact, encodeExact, sameValue } from './exact.ts';
export { decodeStored, encodeStored } from './stored.ts';
export { failed as failedGate } from '../definitions/schema.ts';
export { type Envelope, type ReadEnvelope, readEnvelope } from './envelope.ts';
export { invalidRecord, objectBytesMax, passObject, passRecord, storedForm } from './gate.ts';
export {
  type HandshakeAnswer,
  handshakeKeysMax,
  type HandshakeRequest,
  isHandshakeAnswer,
} from './handshake.ts';
export {
  escapedJson,
  readSeed,
  readSeededEnvelope,
  readSeededQueries,
  type SeededQuery,
  type SeededStore,
  readSeededStore,
  type SeedState,
} from './seed.ts';
export {
  type QueryDelta,
  type QueryOpen,
  type QueryStep,
  readQueryClose,
  readQueryDelta,
  readQueryOpen,
} from './query-frames.ts';
