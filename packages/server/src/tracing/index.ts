export type { Span } from '@opentelemetry/api';
export {
  endSpan,
  startJointSpan,
  startRemoteSpan,
  startServerSpan,
  startSpan,
  traceparentIn,
  traceparentOf,
  within,
} from './spans.ts';
