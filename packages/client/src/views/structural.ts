/** Refusals of a join that another try does not change (views.md §12.2). */
export const structural: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'unauthorized',
  'unknown root',
  'invalid_params',
  'missing required field',
  'missing root id',
  'params must be a map',
  'declared store is not a root store',
]);
