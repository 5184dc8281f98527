export {
  type TransportCase,
  transportLaw,
  type TransportSubject,
} from '@holdfast/engine/record/conformance';
