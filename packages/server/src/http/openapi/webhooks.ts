import { body, count, json, ok, once, type Operation, storePath } from './operation.ts';
import { list, object } from './schema.ts';
import { ref } from './schemas.ts';

const hooks = `${storePath}/webhooks`;

/** Of webhooks. */
export const webhookOperations: readonly Operation[] = [
  {
    method: 'get',
    path: hooks,
    id: 'listWebhooks',
    summary: 'The webhooks of a store.',
    scope: 'webhooks:read',
    answers: ok('Webhooks, oldest first.', object({ webhooks: list(ref('Webhook')) })),
  },
  {
    method: 'post',
    path: hooks,
    id: 'createWebhook',
    summary: 'Send every op from now on to a URL; the secret is shown once.',
    headers: [once],
    scope: 'webhooks:write',
    body: body(ref('NewWebhook')),
    answers: {
      201: {
        says: 'Made.',
        type: json,
        schema: { allOf: [ref('Webhook'), object({ secret: { type: 'string' } })] },
      },
    },
    errors: [400, 402, 409, 413, 415, 422],
  },
  {
    method: 'delete',
    path: `${hooks}/{id}`,
    id: 'removeWebhook',
    summary: 'Send nothing more.',
    headers: [once],
    scope: 'webhooks:write',
    answers: ok('Removed.', ref('Ok')),
    errors: [400, 409, 422],
  },
  {
    method: 'post',
    path: `${hooks}/{id}/ping`,
    id: 'pingWebhook',
    summary: 'Send a ping; one that is answered makes an inactive webhook active again.',
    scope: 'webhooks:write',
    answers: {
      ...ok('It was answered with 2xx.', ref('Pinged')),
      502: { says: 'It was not, and why.', type: json, schema: ref('Pinged') },
    },
  },
  {
    method: 'post',
    path: `${hooks}/{id}/replay`,
    id: 'replayWebhook',
    summary:
      'Deliver again what came after a seq, which takes audit:read too; an inactive webhook is active again.',
    headers: [once],
    scope: 'webhooks:write',
    body: body(ref('Replay')),
    answers: ok('It goes on from there.', object({ ok: { type: 'boolean' }, after_seq: count })),
    errors: [400, 409, 413, 415, 422],
  },
  {
    method: 'get',
    path: `${hooks}/{id}/deliveries`,
    id: 'listDeliveries',
    summary: 'The last attempts to deliver, newest first.',
    scope: 'webhooks:read',
    query: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 50 } },
    answers: ok('Attempts of the last 7 days.', object({ deliveries: list(ref('Delivery')) })),
    errors: [400],
  },
];
