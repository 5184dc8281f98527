import { app } from './app.ts';
import type { Env } from './env.ts';
import { loader, type Loaders } from './loader.ts';
import { type DeclareView, view } from './view.ts';

/** `view`, `loader` and `app` for an app that has said who its principals are and what its stores hold. */
export type Holdfast<E extends Env> = {
  readonly view: DeclareView<E>;
  readonly loader: Loaders<E>;
  readonly app: typeof app;
};

/** Types views by the principals and stores of an app: `const { view, app } = holdfast<{ principal: User }>()` (views.md §11.1). */
export function holdfast<E extends Env = {}>(): Holdfast<E> {
  return { view, loader, app };
}
