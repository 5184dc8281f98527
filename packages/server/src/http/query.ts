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
    paramOf(c, name);
  }
  return asked;
}

/** One parameter of a request: given twice it is refused, for one of the two would be passed over in silence. */
export function paramOf(c: Context, name: string): string | undefined {
  const [value, ...others] = c.req.queries(name) ?? [];
  if (others.length > 0) throw invalidParam(`${name} is given more than once.`);
  return value;
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
