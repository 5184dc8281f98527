import type { Path } from '../brand.ts';
import { toPath } from '../path.ts';
import { isRefusal } from '../refusals.ts';

/** The parameters of a path template. */
export type TemplateParams = { readonly [name: string]: string };

const parameter = /^:[A-Za-z_]\w*$/;

/** Throws a `TypeError` for a template that is none: `rooms/:id`, each parameter once, one to a segment (records.md §2.4). */
export function checkTemplate(of: string, template: string): void {
  const segments = template.split('/');
  const named = segments.filter((segment) => segment.startsWith(':'));
  const isSound =
    named.every((segment) => parameter.test(segment)) && new Set(named).size === named.length;
  const sample = segments.map((segment) => (segment.startsWith(':') ? 'x' : segment)).join('/');
  if (!isSound || isRefusal(toPath(sample))) {
    throw new TypeError(`${of} is no template like "rooms/:id": "${template}".`);
  }
}

/** The path of a checked template; throws a `TypeError` where a parameter is missing or cannot be a segment. */
export function fillTemplate(template: string, params: TemplateParams): Path {
  const segments = template.split('/').map((segment) => {
    if (!segment.startsWith(':')) return segment.replaceAll('~1', '/').replaceAll('~0', '~');
    const value = Object.hasOwn(params, segment.slice(1)) ? params[segment.slice(1)] : undefined;
    if (typeof value === 'string') return value;
    throw new TypeError(`"${template}" needs the parameter "${segment.slice(1)}", a text.`);
  });
  const path = toPath(segments);
  if (isRefusal(path)) {
    throw new TypeError(`"${template}" cannot be filled: a parameter is ${path.code}.`);
  }
  return path;
}
