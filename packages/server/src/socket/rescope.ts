import type { PathGrants } from '@holdfast/engine/data';
import {
  type Glob,
  isRefusal,
  type Limits,
  readScope,
  type Refusal,
  refuse,
  type ScopeChange,
} from '@holdfast/protocol';
import { grantsOf } from '../access/index.ts';
import { type ChannelScope, channelScope, scopeName, unreadable } from './scope.ts';
import type { ScopeChange as Changing, SnapshotPart } from './snapshot.ts';

const everyGrant = grantsOf(null);

/** The scope after a change of the patterns: what of it the client lacks, and what it may not have (stores.md §10.4.4). */
export type Rescoped = {
  readonly scope: ChannelScope;
  readonly addition: SnapshotPart | null;
  readonly denied: readonly Glob[];
};

type Terms = {
  readonly grants: PathGrants | null;
  readonly limits: Limits;
  readonly account?: { readonly name: string } | undefined;
  /** Charges what a join is charged; why it would not pass now. */
  readonly charge: () => Refusal | null;
};

/** What a `scope` push asks for, to be done at the head, where it is answered (stores.md §10.4.4). */
export function scopeChange(
  payload: unknown,
  { grants, limits, account, charge }: Terms,
  answer: (reply: object | Refusal) => void,
): Changing | Refusal {
  const change = readScope(payload, limits);
  if (isRefusal(change)) return change;
  return (seq, scope) => {
    const changed = rescope(change, { scope, grants, limits, charge });
    const next = isRefusal(changed) ? scope : changed.scope;
    const reply = { patterns: next.patterns, scope: scopeName(next, account), seq };
    answer(isRefusal(changed) ? changed : { ...reply, denied: changed.denied });
    return isRefusal(changed) ? { scope, addition: null } : changed;
  };
}

/** Takes patterns out of a channel's set, and puts others in. One that is in both lists stays where it is. */
function rescope(
  { add, remove }: ScopeChange,
  { scope, grants, limits, charge }: Terms & { readonly scope: ChannelScope },
): Rescoped | Refusal {
  const { read: readable } = grants ?? everyGrant;
  const denied = new Set(unreadable(add, readable));
  const had = new Set(scope.patterns);
  const gone = new Set(remove);
  const added = [...new Set(add)].filter((each) => !denied.has(each) && !had.has(each));
  const kept = scope.patterns.filter((each) => !gone.has(each) || add.includes(each));
  const patterns = [...kept, ...added];
  if (patterns.length > limits.max_patterns) {
    return refuse('too_many_patterns', { limit: limits.max_patterns });
  }
  // What is added is sent whole, as it is to who joins with it.
  const limited = added.length === 0 ? null : charge();
  if (limited !== null) return limited;
  return {
    scope: channelScope(patterns, readable),
    addition: added.length === 0 ? null : { ...channelScope(added, readable), isAddition: true },
    denied: [...denied],
  };
}
