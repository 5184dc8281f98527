import { create, isDraft, rawReturn } from 'mutative';

/** The result of a recipe on plain data; the recipe may return the next state instead. */
export function produce(base: unknown, recipe: (draft: unknown) => unknown, dev: boolean): unknown {
  if (typeof base !== 'object' || base === null) return recipe(base) ?? base;
  const change: (draft: object) => void = (draft) => {
    const next = recipe(draft);
    // What is made of nothing that was there is taken as it is; unless that is said, there is a warning each time.
    return typeof next !== 'object' || next === null || hasDraft(next) ? next : rawReturn(next);
  };
  return create(base, change, { enableAutoFreeze: dev });
}

function hasDraft(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return isDraft(value) || Object.values(value).some(hasDraft);
}
