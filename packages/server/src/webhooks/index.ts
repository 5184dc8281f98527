export type { Answered } from './post.ts';
export { PATTERNS_MAX, type WebhookOptions, Webhooks, WEBHOOKS_MAX } from './webhooks.ts';
