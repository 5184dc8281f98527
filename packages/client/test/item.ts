import { passthrough, record } from '@holdfast/protocol';

/** A record of one number, at `items/:id` of one store. */
export const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number }>(),
});
