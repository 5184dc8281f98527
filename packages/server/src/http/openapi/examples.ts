/** A body that each operation takes, by its id: where a store `blog` is new, one after the other in this order. */
export const examples: { readonly [id: string]: unknown } = {
  createStore: { name: 'drafts', ttl_ms: 86_400_000 },
  putEntry: { title: 'Hello', tags: ['first'] },
  writeEntry: { path: 'posts/two', value: { title: 'Two' }, if_absent: true },
  readEntries: { paths: ['posts/two'], subtrees: true },
  writeEntries: {
    ops: [
      { op: 'set', path: 'posts/three', value: { title: 'Three' } },
      { op: 'delete', path: 'posts/two' },
    ],
  },
  removeEntry: { path: 'posts/three' },
  transact: {
    ops: [
      { op: 'set', path: 'posts/four', value: { title: 'Four' }, if_absent: true },
      { op: 'increment', path: 'counts/posts', value: 1 },
    ],
  },
  rollback: { path: 'posts/two', to_seq: 0 },
  clone: { name: 'blog-copy' },
  createToken: {
    name: 'reader',
    scopes: ['entries:read'],
    path_rules: [{ pattern: 'posts/**', allow: ['read'] }],
  },
  createWebhook: { url: 'https://example.org/holdfast', patterns: ['posts/**'] },
  replayWebhook: { after_seq: 0 },
};
