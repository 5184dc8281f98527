import { asPath, comparePaths, type Path } from '@holdfast/protocol';
import { type Child, MapNode, type Page } from './node.ts';
import type { Change, Tree } from './tree.ts';

/**
 * The leaves at and below a path, or everywhere, that are not one and the same in two trees, in path order: of forks of one
 * tree only what either has changed since is looked at, however many leaves they share.
 */
export function* differing(
  before: Tree,
  after: Tree,
  under: Path | null,
): Generator<Change, void, undefined> {
  if (under !== null) {
    const [was, is] = [before.leaf(under), after.leaf(under)];
    if (was !== is) yield { path: under, before: was, after: is };
  }
  const prefix = under === null ? '' : `${under}/`;
  yield* differingIn(before.map(under), after.map(under), prefix);
}

function* differingIn(
  before: MapNode | undefined,
  after: MapNode | undefined,
  prefix: string,
): Generator<Change, void, undefined> {
  if (before === after) return;
  const was = new Cursor(before);
  const is = new Cursor(after);
  for (;;) {
    if (was.isAtPageOf(is)) {
      was.skipPage();
      is.skipPage();
      continue;
    }
    const order = orderOf(was.key, is.key);
    const key = order > 0 ? is.key : was.key;
    if (key === undefined) return;
    const [one, other] = [order > 0 ? undefined : was.take(), order < 0 ? undefined : is.take()];
    if (one === other) continue;
    if (key.endsWith('/')) yield* differingIn(mapOf(one), mapOf(other), prefix + key);
    else yield { path: asPath(prefix + key), before: leafOf(one), after: leafOf(other) };
  }
}

/** Where a walk through the children of a map is. */
class Cursor {
  readonly #pages: readonly Page[];
  #slot = 0;
  #at = 0;

  constructor(map: MapNode | undefined) {
    this.#pages = map?.pages ?? [];
  }

  /** The sort key of the next child; undefined at the end. */
  get key(): string | undefined {
    return this.#page?.open().keys[this.#at];
  }

  /** Whether both have the same page before them. */
  isAtPageOf(other: Cursor): boolean {
    const page = this.#page;
    return page !== undefined && page === other.#page && this.#at === 0 && other.#at === 0;
  }

  skipPage(): void {
    this.#slot += 1;
    this.#at = 0;
  }

  take(): Child | undefined {
    const { keys, values } = this.#page?.open() ?? { keys: [], values: [] };
    const child = values[this.#at];
    this.#at += 1;
    if (this.#at >= keys.length) this.skipPage();
    return child;
  }

  get #page(): Page | undefined {
    return this.#pages[this.#slot];
  }
}

/** What has no next child comes last. */
function orderOf(one: string | undefined, other: string | undefined): number {
  if (one === undefined) return other === undefined ? 0 : 1;
  return other === undefined ? -1 : comparePaths(one, other);
}

function mapOf(child: Child | undefined): MapNode | undefined {
  return child instanceof MapNode ? child : undefined;
}

function leafOf(child: Child | undefined): Exclude<Child, MapNode> | undefined {
  return child instanceof MapNode ? undefined : child;
}
