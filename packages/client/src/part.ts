import {
  containsScope,
  type Glob,
  isLeaseOp,
  isPlainObject,
  isRefusal,
  type Mutate,
  type Path,
  type Pattern,
  type Refusal,
  refuse,
  RejectedError,
  type Request,
  segmentsOf,
  type Write,
} from '@holdfast/protocol';
import { checkOptions } from './mistakes.ts';
import { patternOf } from './watch.ts';

/** How a store is opened. */
export type StoreOptions = {
  /**
   * The patterns of the part that the handle is of. Absent: the whole store. `[]`: nothing of it; such a handle only
   * writes, and downloads nothing.
   */
  readonly scope?: readonly string[];
};

/** Lists of patterns, read: one may be of thousands, and is looked into for each of thousands of parts. */
const covers: WeakMap<readonly Glob[], ReadonlyMap<Glob, Pattern>> = /* @__PURE__ */ new WeakMap();

/** The part of a store that a handle is of; what else the client has of the store is not there for it (stores.md §10.4). */
export class Part {
  readonly globs: readonly Glob[];
  readonly #patterns: readonly Pattern[];
  readonly #isWhole: boolean;

  constructor(options: StoreOptions) {
    checkOptions('store', options, { scope: 'object' });
    const { scope = ['**'] } = options;
    if (!Array.isArray(scope)) throw new TypeError('store: "scope" is a list of patterns.');
    this.#patterns = scope.map(patternOf);
    this.globs = [...new Set(this.#patterns.map(({ source }) => source))];
    this.#isWhole = scope.includes('**');
  }

  /** What of it, or of a rest of it, is not in what these cover. */
  beyond(globs: readonly Glob[], rest: readonly Pattern[] = this.#patterns): readonly Pattern[] {
    const held = covers.get(globs) ?? new Map(globs.map((glob) => [glob, patternOf(glob)]));
    covers.set(globs, held);
    return rest.filter(
      (each) =>
        !held.has(each.source) && ![...held.values()].some((other) => containsScope(other, each)),
    );
  }

  /** Whether what is read at a path is but the leaf there. Throws where nothing may be read. */
  readsLeaf(path: Path): boolean {
    if (this.#holds(path, whole)) return false;
    if (this.#holds(path)) return true;
    throw new RejectedError('out_of_scope', { path, scope: this.globs });
  }

  /** Reads a pattern; throws where it is not contained in the part. */
  pattern(text: string): Pattern {
    const pattern = patternOf(text);
    if (this.#contains(pattern)) return pattern;
    throw new RejectedError('out_of_scope', { pattern: text, scope: this.globs });
  }

  /** Throws where not all that is between two bounds is in the part. */
  checkRange(from: string, to: string): void {
    const holds = ({ source }: Pattern): boolean => {
      const base = source.slice(0, -2);
      // In the order of paths everything below `a` lies from `a/` up to `a0`, the character after the slash.
      const isIn = to.startsWith(base) || to === `${base.slice(0, -1)}0`;
      return source === `${base}**` && !base.includes('*') && from.startsWith(base) && isIn;
    };
    if (this.#isWhole || this.#patterns.some(holds)) return;
    throw new RejectedError('out_of_scope', { from, to, scope: this.globs });
  }

  /** Why a request cannot be shown before it is committed: it is about what is not known here; null where it can be. */
  refuse(request: Request): Refusal | null {
    // Who only writes is shown nothing.
    if (this.#isWhole || this.globs.length === 0) return null;
    if (request.op !== 'transact') return this.#check(request);
    const conditions = request.preconditions.flatMap((each) =>
      each.kind === 'fence' || this.#holds(each.path) ? [] : this.#outside(each.path),
    );
    return request.ops.map((op) => this.#check(op)).find(isRefusal) ?? conditions[0] ?? null;
  }

  #check(write: Write | Mutate): Refusal | null {
    const { op, path } = write;
    if (isLeaseOp(op)) return null;
    const isMap = op === 'set' && isPlainObject(write.value);
    const isTree = isMap || op === 'delete' || op === 'merge' || op === 'mutate';
    return this.#holds(path, isTree ? whole : undefined) ? null : this.#outside(path);
  }

  #outside(path: Path): Refusal {
    return refuse('out_of_scope', { path, scope: this.globs });
  }

  /** Whether it is of what is at a path, and of what there matches `below` that. */
  #holds(path: Path, below?: Pattern): boolean {
    if (this.#isWhole) return true;
    const at = segmentsOf(path).map((segment) => ({ kind: 'literal', segment }) as const);
    return this.#contains({ ...whole, parts: [...at, ...(below?.parts ?? [])] });
  }

  #contains(pattern: Pattern): boolean {
    return this.#patterns.some((each) => containsScope(each, pattern));
  }
}

const whole = patternOf('**');
