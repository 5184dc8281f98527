export type { Answered } from './post.ts';
export { PATTERNS_MAX, reachOf, type WebhookOptions, Webhooks } from './webhooks.ts';
