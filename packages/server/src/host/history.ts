import { Span, type Tree } from '@holdfast/engine/data';
import { type Refusal, refuse, RejectedError, type Seq } from '@holdfast/protocol';
import { inTurn } from './looks-back.ts';
import type { StoreHost } from './store-host.ts';
import { inParts, turn } from '../storage/turn.ts';

type Past = Pick<StoreHost, 'view' | 'read' | 'standing'>;

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
export function spanOf(store: Past, from: Seq, to: Seq): Promise<Span> {
  return inTurn(store, () => readSpan(store, from, to));
}

async function readSpan(store: Past, from: Seq, to: Seq): Promise<Span> {
  const span = new Span();
  for (let at = from; at < to;) {
    // oxlint-disable-next-line no-await-in-loop -- in the order of the log
    const ops = await store.read(at, to);
    const last = ops.at(-1);
    if (last === undefined || ops[0]?.seq !== at + 1) throw forgotten(store);
    for (const op of ops) if (op.seq <= to) span.take(op);
    at = last.seq;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    await turn();
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
export function stateAt(store: Past, seq: Seq): Promise<Tree> {
  const own = sought.get(store) ?? new Map<Seq, Promise<Tree>>();
  sought.set(store, own);
  const state = own.get(seq) ?? goBack(store, seq).finally(() => own.delete(seq));
  own.set(seq, state);
  return state;
}

function goBack(store: Past, seq: Seq): Promise<Tree> {
  return inTurn(store, async () => {
    const { tree, seq: head } = store.view();
    const past = tree.fork();
    const span = await readSpan(store, seq, head);
    await inParts(span.rewinding(past));
    return past;
  });
}
