import { apply, Tree } from '@holdfast/engine/data';
import type { WatchEvent } from '@holdfast/engine/replica';
import type { Json, Path } from '@holdfast/protocol';

/** The state as a subscriber knows it, who has only its events. */
export class Belief {
  readonly #tree: Tree;

  constructor(start: Tree = Tree.empty()) {
    this.#tree = start.fork();
  }

  hear({ path, value }: Pick<WatchEvent, 'path' | 'value'>): void {
    const op = value === undefined ? 'delete' : 'set';
    apply(this.#tree, { ...blank, op, path, value: value ?? null });
  }

  read(path: Path): Json | undefined {
    return this.#tree.read(path)?.value;
  }

  fork(): Belief {
    return new Belief(this.#tree);
  }

  leaves(): readonly (readonly [Path, Json])[] {
    return [...this.#tree.entries()].map(({ path, value }) => [path, value] as const);
  }
}

const blank = {
  seq: 1,
  arg: null,
  deviceId: '',
  clientOpId: '',
  tx: null,
  at: 0,
  principal: null,
} as const;
