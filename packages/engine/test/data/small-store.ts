import {
  asPath,
  defaultLimits,
  isRefusal,
  type Json,
  type Op,
  type Precondition,
  type Write,
} from '@holdfast/protocol';
import { apply, decide, type DecideContext, leaseRules, Tree } from '@holdfast/engine/data';

/** The core with a state, a log and a clock, and nothing else. */
export class SmallStore {
  readonly tree = Tree.empty();
  readonly log: Op[] = [];
  at = 1000;

  /** Decides and commits one write; fields beside it go to the context. */
  write(write: Write, context: Partial<DecideContext> = {}) {
    return this.#commit(decide(this.tree, write, { ...this.#context(), ...context }));
  }

  transact(ops: readonly Write[], preconditions: readonly Precondition[] = []) {
    const transaction = { op: 'transact', ops, preconditions } as const;
    return this.#commit(decide(this.tree, transaction, this.#context()));
  }

  set(path: string, value: Json) {
    return this.write({ op: 'set', path: asPath(path), value });
  }

  delete(path: string) {
    return this.write({ op: 'delete', path: asPath(path) });
  }

  merge(path: string, value: { readonly [key: string]: Json }) {
    return this.write({ op: 'merge', path: asPath(path), value });
  }

  increment(path: string, value: number) {
    return this.write({ op: 'increment', path: asPath(path), value });
  }

  add(path: string, value: Json) {
    return this.write({ op: 'add', path: asPath(path), value });
  }

  remove(path: string, value: Json) {
    return this.write({ op: 'remove', path: asPath(path), value });
  }

  lease(path: string, ttlMs = 100, holder: string | null = null) {
    return this.write({ op: 'lease', path: asPath(path), ttlMs, holder });
  }

  get(path: string) {
    return this.tree.read(asPath(path))?.value;
  }

  type(path: string): string | undefined {
    return this.tree.read(asPath(path))?.type;
  }

  revision(path: string): number | undefined {
    return this.tree.read(asPath(path))?.revision;
  }

  get paths(): readonly string[] {
    return [...this.tree.entries()].map(({ path }) => path);
  }

  /** The last ops of the log, as `op path`. */
  last(count: number): readonly string[] {
    return this.log.slice(-count).map(({ op, path }) => `${op} ${path}`);
  }

  #commit(decision: ReturnType<typeof decide>) {
    if (isRefusal(decision)) return decision;
    for (const op of decision.ops) {
      this.log.push(op);
      apply(this.tree, op);
    }
    return decision.result;
  }

  #context(): DecideContext {
    return {
      head: this.log.length,
      deviceId: 'device',
      opId: 'id',
      principal: 'someone',
      at: this.at,
      leases: leaseRules((_path, { expires_at }) => this.at < expires_at),
      limits: defaultLimits,
    };
  }
}
