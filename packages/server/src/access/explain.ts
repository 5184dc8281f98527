import { type Bound, isLease, type Scope as PathScope, type Tree } from '@holdfast/engine/data';
import {
  type EpochMs,
  isOpName,
  isReservedPath,
  type OpName,
  type Path,
  type Refusal,
  refuse,
} from '@holdfast/protocol';

import type { StoreRow } from '../storage/port.ts';
import { refuseScope } from './access.ts';
import { grantsOf, grantsUnder, type PathRule } from './path-rules.ts';
import type { Principal, Scope } from './principal.ts';

/** What somebody wants to know why they may, or may not. */
export type Question = { readonly path: Path; readonly op: 'read' | OpName };

/** One thing that is looked at; `ok` null: it is not theirs to know. */
export type Check = {
  readonly check: 'scope' | 'store' | 'rules' | 'lease' | 'quota';
  readonly ok: boolean | null;
  /** What a request would be refused with. */
  readonly reason?: string;
  readonly detail: string;
  readonly [field: string]: unknown;
};

/** Why a principal sees or writes a path, or does not. */
export type Explanation = Question & {
  readonly allowed: boolean;
  /** The first that fails is what a request would be refused with. */
  readonly checks: readonly Check[];
};

/** What an explanation looks at. */
export type Sight = {
  readonly row: StoreRow;
  readonly tree: Tree;
  readonly keysQuota: number | null;
  readonly now: EpochMs;
  /** What records hide from who asks (records.md §17). */
  readonly veil: Bound | null;
};

const LEAVES_MAX = 10_000;
const scopeOf = (op: Question['op']): Scope => {
  if (op === 'read') return 'entries:read';
  return op === 'put_file' ? 'files:write' : 'entries:write';
};

/** Reads the op of a question: `read`, the default, or the name of one. */
export function readAsked(op: unknown): Question['op'] | Refusal {
  if (op === undefined || op === null || op === 'read') return 'read';
  return isOpName(op) ? op : refuse('invalid op');
}

/**
 * Why a principal, who may use the store, may or may not do something to a path of it, in the order in which a request is
 * judged (stores.md §7.7). It tells them of their own grants, and of the store's state only what they may read: neither
 * what is held or full where they cannot see, nor whether anything is there.
 */
export function explain(principal: Principal, sight: Sight, question: Question): Explanation {
  const { path, op } = question;
  const checks = [scopeCheck(principal, op), ...stateChecks(principal, sight, question)];
  return { path, op, allowed: checks.every(({ ok }) => ok !== false), checks };
}

function scopeCheck(principal: Principal, op: Question['op']): Check {
  const scope = scopeOf(op);
  if (refuseScope(principal, scope) === null) {
    return { check: 'scope', ok: true, scope, detail: `The token has the scope ${scope}.` };
  }
  const detail = `This needs the scope ${scope}, which the token does not have.`;
  return { check: 'scope', ok: false, reason: 'missing_scope', scope, detail };
}

function stateChecks(principal: Principal, sight: Sight, question: Question): readonly Check[] {
  const { veil } = sight;
  const byRules = rulesCheck(principal.pathRules ?? null, question);
  const mayAsk = refuseScope(principal, scopeOf(question.op)) === null;
  const rules =
    (byRules.ok === true && veil && (mayAsk ? hiddenCheck(veil, question) : veiled)) || byRules;
  const store = storeCheck(sight.row);
  if (question.op === 'read') return [store, rules];
  const { read } = grantsUnder(principal, veil);
  const mayRead = principal.scopes.has('entries:read');
  return [
    store,
    rules,
    leaseCheck(mayRead && read.coversSubtree(question.path), sight, question),
    quotaCheck(mayRead && read.isWhole, sight, question),
  ];
}

function storeCheck({ status }: StoreRow): Check {
  if (status === 'active') return { check: 'store', ok: true, detail: 'The store is active.' };
  const detail = 'The store is archived: nobody joins or writes.';
  return { check: 'store', ok: false, reason: 'store_archived', detail };
}

function rulesCheck(rules: readonly PathRule[] | null, { path, op }: Question): Check {
  const check = 'rules';
  if (op !== 'read' && isReservedPath(path)) {
    return { check, ok: false, reason: 'reserved_path', detail: 'Nobody may write here.' };
  }
  if (rules === null) return { check, ok: true, detail: 'The token has no path rules.' };
  const right = op === 'read' ? 'read' : 'write';
  const isHit = (fits: (scope: PathScope) => boolean): readonly string[] =>
    rules.filter((rule) => fits(grantsOf([rule])[right])).map(({ pattern }) => pattern);
  const matched = isHit((scope) => scope.covers(path));
  if (matched.length > 0) {
    const rest = grantsOf(rules)[right].coversSubtree(path)
      ? ''
      : ' Not all that may be below it is within the rules.';
    return { check, ok: true, matched, detail: `A rule lets the token ${right} here.${rest}` };
  }
  const below = right === 'read' ? isHit((scope) => scope.reaches(path)) : [];
  if (below.length > 0) {
    const detail = 'Only what lies below, and is within these rules, is seen.';
    return { check, ok: true, matched: below, partly: true, detail };
  }
  const detail = `No rule lets the token ${right} here.`;
  return { check, ok: false, reason: 'path_not_allowed', matched: [], detail };
}

/** What rules of records say depends on what is there. */
const veiled: Check = {
  check: 'rules',
  ok: null,
  detail: 'What records hide here is not for this token to know.',
};

/** What is hidden is so whether it is there or not. */
function hiddenCheck(veil: Bound, { path, op }: Question): Check | null {
  const check = 'rules';
  if (veil.coversSubtree(path)) return null;
  if (veil.covers(path)) {
    const detail = 'Records may hide something of what is here, or below.';
    return { check, ok: true, partly: true, detail };
  }
  const reason = op === 'read' ? 'path_not_allowed' : 'forbidden_field';
  return { check, ok: false, reason, detail: 'What is here is not for this token to see.' };
}

function leaseCheck(isSeen: boolean, { tree, now }: Sight, { path, op }: Question): Check {
  const check = 'lease';
  if (op === 'renew' || op === 'release') {
    return { check, ok: true, detail: 'The token of the lease decides.' };
  }
  if (!isSeen) return { check, ok: null, detail: 'Leases here are not for this token to see.' };
  let looked = 0;
  for (const { path: at, value } of tree.entries({ under: path })) {
    looked += 1;
    if (looked > LEAVES_MAX) {
      return { check, ok: null, detail: `More than ${LEAVES_MAX} leaves are below.` };
    }
    if (!isLease(value) || value.expires_at <= now) continue;
    const { holder, expires_at } = value;
    const detail = `A lease at ${at} is held by ${holder ?? 'somebody'}; a write needs its fence.`;
    return { check, ok: false, reason: 'held', lease: at, holder, expires_at, detail };
  }
  return { check, ok: true, detail: 'No lease is in the way.' };
}

const adding: ReadonlySet<string> = new Set([
  'set',
  'merge',
  'increment',
  'add',
  'put_file',
  'lease',
]);

function quotaCheck(isSeen: boolean, { tree, keysQuota: limit }: Sight, asked: Question): Check {
  const check = 'quota';
  if (limit === null) return { check, ok: true, detail: 'The store has no quota of leaves.' };
  if (!isSeen) {
    return { check, ok: null, detail: 'How full the store is, is not for this token to see.' };
  }
  const current = tree.size;
  const isFull = current >= limit && adding.has(asked.op) && tree.count(asked.path) === 0;
  const figures = { dimension: 'keys', current, limit };
  if (!isFull) return { check, ok: true, ...figures, detail: 'There is room.' };
  const detail = 'The store has as many leaves as it may have.';
  return { check, ok: false, reason: 'limit_exceeded', ...figures, detail };
}
