import { Span, type Tree } from '@holdfast/engine/data';
import { type Refusal, refuse, RejectedError, type Rollback, type Seq } from '@holdfast/protocol';
import { inTurn } from './looks-back.ts';
import type { StoreHost } from './store-host.ts';
import { inParts, type Looker, turn } from '../storage/turn.ts';

type Past = Pick<StoreHost, 'view' | 'read' | 'standing'>;

/** So many, large as they may be, are gone through within what anybody may look at. */
const SLICE_OPS = 100;
/** So many are compared within it. */
const SLICE_LEAVES = 1000;

/** Why there is no state at this seq (stores.md §13.1.4); null if there is: of a store without ops there is one at 0. */
export function refuseSeq(store: Past, seq: Seq): Refusal | null {
  const { head, oldestSeq } = store.standing();
  if (seq > head) return refuse('invalid_seq');
  return seq < oldestSeq - 1 ? refuse('beyond_retention', { oldest_seq: oldestSeq }) : null;
}

/** Why a store cannot go back to this seq (stores.md §13.3.1); null if it can. */
export function refuseReturn(store: Past, seq: Seq): Refusal | null {
  return store.standing().head === 0 ? refuse('no_ops') : refuseSeq(store, seq);
}

/** What the ops in (from, to] did, read in turns of the event loop; rejects where the log has forgotten one of them meanwhile. */
export async function spanOf(store: Past, range: Range, looker: Looker): Promise<Span> {
  await entering(looker, range);
  return inTurn(store, () => readSpan(store, range, looker), looker);
}

/** From exclusive to inclusive. */
type Range = { readonly from: Seq; readonly to: Seq };

/** Before it is its turn: those whose turn it is are not to wait for who waits for one. */
async function entering(looker: Looker, { from, to }: Range): Promise<void> {
  if (to - from > SLICE_OPS) await looker.enter();
}

async function readSpan(store: Past, { from, to }: Range, looker: Looker): Promise<Span> {
  const span = new Span();
  for (let at = from; at < to;) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the log
    const ops = await store.read(at, to);
    const last = ops.at(-1);
    if (last === undefined || ops[0]?.seq !== at + 1) throw forgotten(store);
    const wanted = ops.filter((op) => op.seq <= to);
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await inParts(span.taking(wanted), () => looker.wait(turn()));
    at = last.seq;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await looker.wait(turn());
  }
  return span;
}

function forgotten(store: Past): RejectedError {
  const { oldestSeq } = store.standing();
  return RejectedError.from(refuse('beyond_retention', { oldest_seq: oldestSeq }));
}

/** States that are looked for, by their seq: what was at one does not change any more. */
const sought = new WeakMap<Past, Map<Seq, Promise<Tree>>>();

/**
 * The state at a seq that {@link refuseSeq} lets pass, at the cost of the ops since (stores.md §13.1.4), for all together who
 * ask for it meanwhile: it is to be read only.
 */
export async function stateAt(store: Past, seq: Seq, looker: Looker): Promise<Tree> {
  await entering(looker, { from: seq, to: store.view().seq });
  const own = sought.get(store) ?? new Map<Seq, Promise<Tree>>();
  sought.set(store, own);
  const known = own.get(seq);
  if (known !== undefined) return looker.wait(known);
  const state = goBack(store, seq, looker).finally(() => own.delete(seq));
  own.set(seq, state);
  return state;
}

/**
 * The state that a store is to go back to, or why it cannot. What differs from it is decided at one go, while all who write
 * to the store wait: who asks for that is let in, too, where there is much to compare.
 */
export async function targetOf(
  store: Past,
  { path, toSeq }: Rollback,
  looker: Looker,
): Promise<Tree | Refusal> {
  const refusal = refuseReturn(store, toSeq);
  if (refusal !== null) return refusal;
  const target = await stateAt(store, toSeq, looker);
  const leavesIn = (tree: Tree): number => (path === null ? tree.size : tree.count(path));
  if (leavesIn(target) + leavesIn(store.view().tree) > SLICE_LEAVES) await looker.enter();
  return target;
}

function goBack(store: Past, seq: Seq, looker: Looker): Promise<Tree> {
  const look = async (): Promise<Tree> => {
    const { tree, seq: head } = store.view();
    const past = tree.fork();
    const span = await readSpan(store, { from: seq, to: head }, looker);
    await inParts(span.rewinding(past), () => looker.wait(turn()));
    return past;
  };
  return inTurn(store, look, looker);
}
