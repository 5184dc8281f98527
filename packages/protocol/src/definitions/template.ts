import type { Path, StoreName } from '../brand.ts';
import { RejectedError } from '../errors.ts';
import { getOwn } from '../json.ts';
import { escapeSegment, segmentsOf, toPath } from '../path.ts';
import { isRefusal } from '../refusals.ts';
import { isText } from '../shape.ts';
import { parseStoreName } from '../store-name.ts';

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

const parameter = /^[A-Za-z_]\w*$/;
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const control = /[\u0000-\u001F\u007F-\u009F]/;
const paramBytesMax = 255;
const keyBytesMax = 512;

/** A template with something in the place of each parameter. */
export function replaceParams(template: string, by: (name: string) => string): string {
  const segments = template.split('/');
  return segments.map((each) => (each.startsWith(':') ? by(each.slice(1)) : each)).join('/');
}

/** Whether it is a template: `rooms/:id`, each parameter once, one to a segment (records.md §2.4). */
export function isTemplate(template: unknown): template is string {
  if (typeof template !== 'string') return false;
  const names = paramsOf(template);
  const isEach =
    new Set(names).size === names.length && names.every((each) => parameter.test(each));
  return isEach && !isRefusal(toPath(replaceParams(template, () => 'x')));
}

/** The store that a template names with something in the place of each parameter; null: none can be called that. */
export function storeOf(template: string, by: (name: string) => string): StoreName | null {
  return parseStoreName(replaceParams(template, by));
}

/** The names of a template's parameters, in order. */
export function paramsOf(template: string): readonly string[] {
  const names: string[] = [];
  replaceParams(template, (name) => String(names.push(name)));
  return names;
}

/** Throws `invalid_params` where a parameter is not one to be a segment of a path (records.md §2.4). */
export function checkParams(of: string, names: readonly string[], params: TemplateParams): void {
  if (typeof params !== 'object' || params === null) throw badParams(of, 'an object of params');
  for (const name of names) {
    const value = getOwn(params, name);
    if (typeof value !== 'string' || value === '') {
      throw badParams(of, `a non-empty string as "${name}"`, name);
    }
    if (!isText(value, paramBytesMax) || control.test(value)) {
      throw badParams(of, `1 to ${paramBytesMax} bytes without control characters`, name);
    }
  }
}

/** The key of what has these parameters; throws `invalid_params` for one that is too long (records.md §2.7). */
export function checkKey(key: string): string {
  if (isText(key, keyBytesMax)) return key;
  throw new RejectedError('invalid_params', { limit: keyBytesMax });
}

function badParams(of: string, needs: string, param?: string): RejectedError {
  const details = param === undefined ? {} : { param };
  return new RejectedError('invalid_params', details, `${of} needs ${needs}.`);
}

/** A parameter; empty, as none may be, where it is missing or no text. */
export function paramOf(params: TemplateParams, name: string): string {
  const value = getOwn(params, name);
  return typeof value === 'string' ? value : '';
}

/** The path of a checked template; throws a `TypeError` where a parameter is missing or cannot be a segment. */
export function fillTemplate(template: string, params: TemplateParams): Path {
  const filled = replaceParams(template, (name) => escapeSegment(paramOf(params, name)));
  const path = toPath(filled);
  if (isRefusal(path)) {
    throw new TypeError(`"${template}": ${path.code}.`);
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
