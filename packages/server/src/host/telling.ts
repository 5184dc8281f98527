import type { LoggedOp } from '@holdfast/engine/authority';
import { project, type Scope, Span, type Tree } from '@holdfast/engine/data';
import { Retelling, veilOver } from '@holdfast/engine/gate';
import { type Path, RejectedError, type Seq } from '@holdfast/protocol';
import { refuseSeq, stateAt } from './history.ts';
import type { StoreHost } from './store-host.ts';
import { inParts, type Looker, turn, unbound } from '../storage/turn.ts';

const WINDOW = 1000;
/** A look at the last few ops reads no more than that; each window is twice as large as the one before… */
const FIRST_WINDOW = 16;
/** …as long as it takes no more reads than this, for ops may be large. */
const READS_PER_WINDOW = 4;

/** What is told, and from where on. */
type Told = { readonly scope: Scope; readonly after: Seq };

type Past = Pick<StoreHost, 'view' | 'read' | 'standing'>;

/**
 * What a scope shows of a store's log, from some seq on (stores.md §11.2.3). Where records hide something, each commit is
 * shown by what was hidden when it was made: the state goes along with the log (records.md §17).
 */
export class Telling {
  readonly #store: Past;
  readonly #scope: Scope;
  readonly #retelling: Retelling | null;

  private constructor(store: Past, scope: Scope, retelling: Retelling | null) {
    this.#store = store;
    this.#scope = scope;
    this.#retelling = retelling;
  }

  /** Begins after a seq, at the cost of the ops since; rejects where the state of that seq cannot be had any more. */
  static async from(
    store: Past,
    { scope, after: seq }: Told,
    looker: Looker = unbound,
  ): Promise<Telling> {
    const veil = veilOver(scope);
    if (veil === null) return new Telling(store, scope, null);
    const { tree, seq: head } = store.view();
    const state = seq === head ? tree : await pastAt(store, seq, looker);
    return new Telling(store, scope, new Retelling(scope, veil, state));
  }

  /** Whether what was taken in last has shown or hidden something that was there before. */
  get hasTurned(): boolean {
    return this.#retelling?.hasTurned === true;
  }

  /** The state before what is taken in next; null where nothing is hidden, so that nobody has to know. */
  get state(): Tree | null {
    return this.#retelling?.state ?? null;
  }

  /** The objects of which what was taken in last was shown by other rules than what is there now. */
  get turned(): ReadonlySet<Path> {
    return this.#retelling?.turned ?? new Set();
  }

  /** Takes in the next ops, whole commits, and gives what is shown of them. */
  take(ops: readonly LoggedOp[]): readonly LoggedOp[] {
    if (this.#scope.isWhole) return ops;
    if (this.#retelling === null) return ops.flatMap((op) => project(op, this.#scope) ?? []);
    const { tree, seq } = this.#store.view();
    return this.#retelling.take(ops, ops.at(-1)?.seq === seq ? tree : null);
  }
}

async function pastAt(store: Past, seq: Seq, looker: Looker): Promise<Tree> {
  const refusal = refuseSeq(store, seq);
  if (refusal !== null) throw RejectedError.from(refusal);
  return stateAt(store, seq, looker);
}

/** What a scope shows of the log from a seq down to the oldest that is retained, newest first, read in windows from behind. */
export async function* tellBackwards(
  store: Past,
  { scope, from }: { readonly scope: Scope; readonly from: Seq },
  looker: Looker,
): AsyncGenerator<LoggedOp, void, undefined> {
  const veil = veilOver(scope);
  const { oldestSeq } = store.standing();
  let state: Tree | null = null;
  let size = FIRST_WINDOW;
  for (let to = from; to >= oldestSeq;) {
    // oxlint-disable-next-line no-await-in-loop -- window by window
    const { ops, reads } = await windowBefore(store, to, { oldestSeq, size, looker });
    size = reads > READS_PER_WINDOW ? Math.ceil(size / 2) : Math.min(size * 2, WINDOW);
    const [first] = ops;
    if (first === undefined) return;
    let told: readonly LoggedOp[] = ops;
    if (veil !== null) {
      // oxlint-disable-next-line no-await-in-loop -- once, for the newest window
      const end: Tree = state ?? (await stateAfter(store, ops, looker));
      // oxlint-disable-next-line no-await-in-loop -- the state before what was told last
      state = await rewound(end, ops, looker);
      const isNow = ops.at(-1)?.seq === store.view().seq;
      told = new Retelling(scope, veil, state).take(ops, isNow ? end : null);
    }
    const inside = told.filter(({ seq }) => seq <= to).toReversed();
    yield* veil === null ? projected(inside, scope, looker) : inside;
    to = first.seq - 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (to >= oldestSeq) await looker.rest();
  }
}

/** What a scope shows of ops, others having their turns in between: one commit may be all of the log. */
async function* projected(
  ops: readonly LoggedOp[],
  scope: Scope,
  looker: Looker,
): AsyncGenerator<LoggedOp, void, undefined> {
  for (const [passed, op] of ops.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- part by part
    if (passed > 0 && passed % WINDOW === 0) await looker.rest();
    const seen = scope.isWhole ? op : project(op, scope);
    if (seen !== null) yield seen;
  }
}

/** Ops, and how often the log was read for them. */
type Part = { readonly ops: readonly LoggedOp[]; readonly reads: number };

/** The ops up to a seq and the rest of its commit: about so many, whole commits; none where the log has forgotten them. */
async function windowBefore(
  store: Past,
  to: Seq,
  window: { readonly oldestSeq: Seq; readonly size: number; readonly looker: Looker },
): Promise<Part> {
  const { oldestSeq, looker } = window;
  for (let { size } = window; ; size *= 2) {
    const start = Math.max(oldestSeq - 1, to - size);
    // oxlint-disable-next-line no-await-in-loop -- more of it only where a commit is larger
    const { ops, reads } = await readAll(store, { from: start, to }, looker);
    const [first] = ops;
    if (first?.seq !== start + 1) return { ops: [], reads };
    const { tx } = first;
    // Where it begins amid a commit, that is for the next window.
    const isWhole = tx === null || start === oldestSeq - 1;
    const whole = isWhole ? ops : ops.filter((op) => op.tx !== tx);
    if (whole.length > 0) return { ops: whole, reads };
  }
}

async function readAll(
  store: Past,
  { from, to }: { readonly from: Seq; readonly to: Seq },
  looker: Looker,
): Promise<Part> {
  const ops: LoggedOp[] = [];
  let reads = 0;
  for (let at = from; at < to; reads += 1) {
    // oxlint-disable-next-line no-await-in-loop -- large ones come in several parts, and others want their turn in between
    if (reads > 0) await looker.rest();
    // oxlint-disable-next-line no-await-in-loop -- part by part
    const part = await store.read(at, to);
    for (const op of part) ops.push(op);
    const last = part.at(-1);
    if (last === undefined) break;
    at = last.seq;
  }
  return { ops, reads };
}

async function stateAfter(store: Past, ops: readonly LoggedOp[], looker: Looker): Promise<Tree> {
  const { tree, seq: head } = store.view();
  const last = ops.at(-1)?.seq ?? head;
  return last === head ? tree : stateAt(store, last, looker);
}

/** The state before some ops; the one after them stays. */
async function rewound(end: Tree, ops: readonly LoggedOp[], looker: Looker): Promise<Tree> {
  const span = new Span();
  const rest = (): Promise<void> => looker.wait(turn());
  await inParts(span.taking(ops), rest);
  const start = end.draft();
  await inParts(span.rewinding(start), rest);
  return start;
}
