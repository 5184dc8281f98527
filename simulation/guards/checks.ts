import type { Receipt } from '@holdfast/client';
import type { Tree } from '@holdfast/engine/data';
import { asPath, type Json, jsonEquals, type Op, type Path, type Seq } from '@holdfast/protocol';
import { textOf } from '../text.ts';
import { leavesOf, type Truth } from '../validators/truth.ts';

/** What everybody has at first; who has just that has no leaf. */
export const coinsEach = 100;
export const bank: Path = asPath('bank');
const causes: ReadonlySet<string> = new Set(['conflict', 'exists']);

/** What a transaction relies on. */
export type Guard =
  | { readonly kind: 'equals'; readonly path: Path; readonly value: Json }
  | { readonly kind: 'ifMatch'; readonly path: Path; readonly revision: Seq }
  | { readonly kind: 'ifAbsent'; readonly path: Path };

/** A transaction that somebody has made: what it relies on, and what it leaves where; null: nothing. */
export type Deal = {
  readonly receipt: Receipt;
  readonly guards: readonly Guard[];
  readonly leaves: readonly (readonly [Path, Json])[];
  /** What was known when it was made. */
  readonly from: Seq;
  /** When its maker heard of its end, in virtual time. */
  readonly toldAt: number | null;
};

/** What happened, and when each op was stored. */
export type Past = { readonly truth: Truth; readonly storedAt: (seq: Seq) => number };

type States = ReadonlyMap<Seq, Tree>;

/** What is wrong with transactions: each is committed as a whole where all that it relies on is so, and refused where it is not. */
export function wrongIn(deals: readonly Deal[], past: Past): readonly string[] {
  const { truth } = past;
  const states = truth.statesAt(Array.from({ length: truth.head + 1 }, (_, seq) => seq));
  const unbalanced = truth.commits.filter(({ last }) => !isBalanced(states.get(last)));
  return [
    ...unbalanced.map(({ last }) => `balanced: seq ${last} leaves ${shareText(states.get(last))}`),
    ...deals.flatMap((deal) => {
      const ops = truth.of(deal.receipt.opId);
      return ops.length > 0 ? wrongWith(deal, ops, states) : wrongWithout(deal, past, states);
    }),
  ];
}

/** What is wrong with one that is committed. */
function wrongWith(
  { receipt, guards, leaves }: Deal,
  ops: readonly Op[],
  states: States,
): string[] {
  const { opId, outcome } = receipt;
  const found = textOf(ops.map(({ op, path, value }) => [path, op === 'delete' ? null : value]));
  const before = states.get((ops[0]?.seq ?? 0) - 1);
  const broken = guards.filter((guard) => !holds(before, guard));
  return [
    ...(found === textOf(leaves) ? [] : [`whole: ${opId} is ${found} of ${textOf(leaves)}`]),
    ...broken.map((guard) => `guarded: ${opId} was committed without ${textOf(guard)}`),
    ...(isRefused(outcome) ? [`refused: ${opId} is there all the same`] : []),
  ];
}

/** Whether its maker was told that it is not to be; who leaves is told what becomes of it without them. */
function isRefused(outcome: Receipt['outcome']): boolean {
  if (outcome?.status !== 'refused') return false;
  return outcome.details['kept'] !== true && outcome.reason !== 'outcome_unknown';
}

/** What is wrong with one that is not: it is refused only where something else was there before its maker heard of that. */
function wrongWithout(
  { receipt, guards, from, toldAt }: Deal,
  { storedAt }: Past,
  states: States,
): string[] {
  const { opId, outcome } = receipt;
  if (outcome?.status === 'committed') return [`kept: ${opId} is nowhere`];
  if (outcome?.status !== 'refused' || !causes.has(outcome.reason)) return [];
  const isCaused = [...states].some(([seq, state]) => {
    const isPossible = seq >= from && (seq === 0 || storedAt(seq) <= (toldAt ?? 0));
    return isPossible && guards.some((guard) => !holds(state, guard));
  });
  return isCaused ? [] : [`refused: ${opId} for ${outcome.reason} of nothing`];
}

function holds(state: Tree | undefined, guard: Guard): boolean {
  if (state === undefined) return false;
  const leaf = state.leaf(guard.path);
  const revision = leaf?.revision ?? state.mapRevision(guard.path);
  if (guard.kind === 'ifMatch') return revision === guard.revision;
  if (guard.kind === 'ifAbsent') return leaf === undefined && !state.hasBelow(guard.path);
  const found = guard.path === bank ? Object.fromEntries(sharesOf(state)) : leaf?.value;
  return found !== undefined && jsonEquals(found, guard.value);
}

function sharesOf(state: Tree): readonly (readonly [string, Json])[] {
  const prefix = `${bank}/`;
  return leavesOf(state).flatMap(([path, value]) =>
    path.startsWith(prefix) ? [[path.slice(prefix.length), value] as const] : [],
  );
}

/** What goes from one to another is neither more nor less. */
function isBalanced(state: Tree | undefined): boolean {
  const shares = state === undefined ? [] : sharesOf(state);
  return shares.reduce((sum, [, value]) => sum + Number(value) - coinsEach, 0) === 0;
}

function shareText(state: Tree | undefined): string {
  return textOf(state === undefined ? [] : sharesOf(state));
}
