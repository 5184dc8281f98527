import { Tree } from '@holdfast/engine/data';
import type { WatchEvent } from '@holdfast/engine/replica';
import type { Json, Path } from '@holdfast/protocol';
import { applyTold } from './told.ts';

/** The state as a subscriber knows it, who has only its events. */
export class Belief {
  readonly #tree: Tree;
  /** Stands for a seq: later than any of the state it began with. */
  #turn = 2 ** 40;

  constructor(start: Tree = Tree.empty()) {
    this.#tree = start.fork();
  }

  hear({ path, value }: Pick<WatchEvent, 'path' | 'value'>): void {
    const op = value === undefined ? 'delete' : 'set';
    this.#turn += 1;
    applyTold(this.#tree, { seq: this.#turn, op, path, value: value ?? null });
  }

  read(path: Path): Json | undefined {
    return this.#tree.read(path)?.value;
  }

  /** As {@link read}, but nothing where there is a map. */
  leaf(path: Path): Json | undefined {
    return this.#tree.leaf(path)?.value;
  }

  fork(): Belief {
    const fork = new Belief(this.#tree);
    fork.#turn = this.#turn;
    return fork;
  }

  leaves(): readonly (readonly [Path, Json])[] {
    return [...this.#tree.entries()].map(({ path, value }) => [path, value] as const);
  }
}
