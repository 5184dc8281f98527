import { clientOf } from '@holdfast/engine/authority';
import type { OpId, Seq } from '@holdfast/protocol';
import type { ClientHistory, Problem } from './history.ts';
import type { Truth } from './truth.ts';

/** Every acknowledged write is in the log once, where the client was told; no refused one is; none is there twice (S112). */
export function once(histories: readonly ClientHistory[], truth: Truth): Problem[] {
  const problems: Problem[] = [];
  const made = new Map(histories.flatMap((each) => each.made).map((write) => [write.opId, write]));
  for (const { opId, outcome } of made.values()) {
    const seqs = truth.of(opId).map(({ seq }) => seq);
    if (outcome === 'unknown') continue;
    if ('refused' in outcome && seqs.length > 0) {
      problems.push({
        word: 'once',
        text: `${opId} was refused (${outcome.refused}), and is seq ${seqs[0]}`,
      });
    }
    if ('committed' in outcome && seqs.at(-1) !== outcome.committed) {
      const told = `${opId} was acknowledged at seq ${outcome.committed}`;
      problems.push({ word: 'once', text: `${told}, and is ${seqs.at(-1) ?? 'not in the log'}` });
    }
  }
  for (const opId of made.keys()) {
    if (commitsOf(truth, opId).size <= 1) continue;
    problems.push({ word: 'once', text: `${opId} was committed more than once` });
  }
  return problems;
}

/** Nothing is in the log that nobody wrote. */
export function known(histories: readonly ClientHistory[], truth: Truth): Problem[] {
  const made = new Set(histories.flatMap((each) => each.made).map(({ opId }) => opId));
  return [...truth.ids()]
    .filter((opId) => !opId.includes('#') && !made.has(opId))
    .map((opId) => ({ word: 'known', text: `nobody made ${opId}` }));
}

/** A client's writes are committed in the order in which it made them (C2), those aside that others may prevent. */
export function inOrder(histories: readonly ClientHistory[], truth: Truth): Problem[] {
  const sure = histories.flatMap(({ made }) => made).filter(({ isGuarded }) => !isGuarded);
  const made = new Set(sure.map(({ opId }) => opId));
  const last = new Map<string, { readonly counter: number; readonly opId: OpId }>();
  const problems: Problem[] = [];
  for (const { clientOpId: opId } of truth.ops) {
    const id = clientOf(opId);
    if (id === null || !made.has(opId)) continue;
    const before = last.get(id.client);
    if (before !== undefined && id.counter < before.counter) {
      problems.push({ word: 'inOrder', text: `${opId} after ${before.opId}` });
    }
    last.set(id.client, { counter: id.counter, opId });
  }
  return problems;
}

/** The seqs of a log have no gap (S112). */
export function dense(truth: Truth): Problem[] {
  const wrong = truth.ops.findIndex(({ seq }, index) => seq !== index + 1);
  if (wrong < 0) return [];
  return [{ word: 'dense', text: `seq ${truth.ops[wrong]?.seq} in the place of ${wrong + 1}` }];
}

/** A commit names its last seq in each of its ops, or holds one op and names none. */
export function whole(truth: Truth): Problem[] {
  return truth.commits.flatMap(({ first, last, ops }) => {
    const isWhole = ops.at(-1)?.seq === last && ops.every(({ tx }) => (tx ?? last) === last);
    return isWhole ? [] : [{ word: 'whole', text: `the commit from ${first} to ${last} is torn` }];
  });
}

function commitsOf(truth: Truth, opId: OpId): ReadonlySet<Seq> {
  return new Set(truth.of(opId).map(({ seq, tx }) => tx ?? seq));
}
