export type { Answered } from './post.ts';
export { PATTERNS_MAX, reachOf, type WebhookOptions, Webhooks, WEBHOOKS_MAX } from './webhooks.ts';
