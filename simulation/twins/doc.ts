import { collection, record } from '@holdfast/protocol';
import { z } from 'zod';

export const storeName = 'acme/app';

/** Of which each sees another part. */
export const Doc = record({
  name: 'doc',
  store: storeName,
  path: 'docs/:id',
  version: '1.0',
  schema: z.object({
    title: z.string(),
    secret: z.string(),
    open: z.boolean(),
    owner: z.string(),
  }),
  visibility: {
    title: () => true,
    open: () => true,
    owner: () => true,
    secret: ({ principal, value }) => value.open || principal.subject === value.owner,
  },
});

export const queries = [
  collection(Doc, { orderBy: [['title', 'asc']], limit: 2 }),
  collection(Doc, { where: { open: true }, orderBy: [['owner', 'desc']] }),
  collection(Doc, { where: { owner: 'ada' }, limit: 1 }),
  collection(Doc, { orderBy: [['secret', 'desc']], limit: 2 }),
] as const;
