import type { Path } from '../brand.ts';
import { RejectedError } from '../errors.ts';
import { segmentsOf, toPath } from '../path.ts';
import { isRefusal } from '../refusals.ts';
import { utf8Length } from '../utf8.ts';

/** The parameters of a path template. */
export type TemplateParams = { readonly [name: string]: string };

/** The names of a template's parameters: `id` of `users/:id`. */
export type ParamNames<Template extends string> = string extends Template
  ? string
  : Template extends `${infer Head}/${infer Tail}`
    ? ParamNames<Head> | ParamNames<Tail>
    : Template extends `:${infer Name}`
      ? Name
      : never;

const parameter = /^:[A-Za-z_]\w*$/;
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const control = /[\u0000-\u001F\u007F-\u009F]/;
const paramBytesMax = 255;

/** Throws a `TypeError` for a template that is none: `rooms/:id`, each parameter once, one to a segment (records.md §2.4). */
export function checkTemplate(of: string, template: string): void {
  const named = paramsOf(template);
  const isSound =
    named.every((name) => parameter.test(`:${name}`)) && new Set(named).size === named.length;
  const sample = template.split('/').map((segment) => (segment.startsWith(':') ? 'x' : segment));
  if (!isSound || isRefusal(toPath(sample.join('/')))) {
    throw new TypeError(`${of} is no template like "rooms/:id": "${template}".`);
  }
}

/** The names of a template's parameters, in order. */
export function paramsOf(template: string): readonly string[] {
  const segments = template.split('/');
  return segments.flatMap((segment) => (segment.startsWith(':') ? segment.slice(1) : []));
}

/** Throws `invalid_params` where a parameter is not one to be a segment of a path (records.md §2.4). */
export function checkParams(of: string, names: readonly string[], params: TemplateParams): void {
  if (typeof params !== 'object' || params === null) throw badParams(of, 'an object of params');
  for (const name of names) {
    const value = Object.hasOwn(params, name) ? params[name] : undefined;
    const isText = typeof value === 'string' && value !== '';
    if (!isText) throw badParams(of, `a non-empty string as "${name}"`, name);
    const bytes = utf8Length(value);
    if (bytes === -1 || bytes > paramBytesMax || control.test(value)) {
      throw badParams(of, `1 to ${paramBytesMax} bytes without control characters`, name);
    }
  }
}

function badParams(of: string, needs: string, param?: string): RejectedError {
  const details = param === undefined ? {} : { param };
  return new RejectedError('invalid_params', details, `${of} needs ${needs}.`);
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

/** The parameters with which a template gives a path; null: there are none. */
export function matchTemplate(template: string, path: Path): TemplateParams | null {
  const wanted = template.split('/');
  const segments = segmentsOf(path);
  if (wanted.length !== segments.length) return null;
  const rendered = path.split('/');
  const params: { [name: string]: string } = {};
  for (const [index, part] of wanted.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = segments[index] ?? '';
    else if (part !== rendered[index]) return null;
  }
  return params;
}
