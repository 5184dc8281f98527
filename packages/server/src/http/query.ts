import { isRefusal, type Limits, parseGlob, type Pattern, refuse } from '@holdfast/protocol';
import type { Context } from 'hono';

import { invalidParam, refused } from './errors.ts';

/** The parameters of a request, all of which are known: one that is misspelt would otherwise ask for something else. */
export function queryOf(
  c: Context,
  known: ReadonlySet<string>,
): { readonly [name: string]: string | undefined } {
  const asked = c.req.query();
  for (const name of Object.keys(asked)) {
    if (!known.has(name)) throw invalidParam(`There is no parameter ${name.slice(0, 40)}.`);
  }
  return asked;
}

/** A parameter that is `true` or `false`, which it is where it is left out. */
export function flagOf(name: string, value: string = 'false'): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw invalidParam(`${name} is true or false.`);
}

/** A pattern that somebody has sent. */
export function readPattern(pattern: string, limits: Limits): Pattern {
  const parsed = parseGlob(pattern, limits);
  if (isRefusal(parsed)) throw refused(refuse('invalid_pattern', { pattern, error: parsed.code }));
  return parsed;
}
