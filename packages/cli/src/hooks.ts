import { textOf } from './fields.ts';

/** The id of a webhook, as an argument. */
export const hookArg = {
  type: 'positional',
  description: 'The id that "holdfast webhooks" shows',
} as const;

/** A webhook, as commands show it. */
export type Hook = {
  readonly id: string;
  readonly url: string;
  readonly patterns: readonly string[];
  readonly ops: readonly string[] | null;
  readonly active: boolean;
  readonly delivered: number;
  readonly failures: number;
  readonly inactive_reason: string | null;
  readonly next_attempt: string | null;
  readonly made: string;
};

/** Reads a webhook of an answer. */
export function hookOf(hook: { readonly [field: string]: unknown }): Hook {
  const { patterns, ops, inactive_reason: reason = null, next_attempt_at: next = null } = hook;
  return {
    id: textOf(hook['id']),
    url: textOf(hook['url']),
    patterns: textsOf(patterns) ?? [],
    ops: textsOf(ops),
    active: hook['active'] === true,
    delivered: Number(hook['last_delivered_seq']),
    failures: Number(hook['failure_count']),
    inactive_reason: reason === null ? null : textOf(reason),
    next_attempt: next === null ? null : textOf(next),
    made: textOf(hook['inserted_at']),
  };
}

/** The address of one webhook. */
export function hookPath(store: string, id: string, act = ''): string {
  return `/api/stores/${store}/webhooks/${encodeURIComponent(id)}${act === '' ? '' : `/${act}`}`;
}

function textsOf(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.map(textOf) : null;
}
