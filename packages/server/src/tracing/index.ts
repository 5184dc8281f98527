export type { Span } from '@opentelemetry/api';
export { endSpan, startJointSpan, startServerSpan, startSpan, within } from './spans.ts';
