import { HoldfastError } from '@holdfast/protocol';

/** What an option may be: types, or the values themselves. */
export type OptionKinds = { readonly [name: string]: string | readonly unknown[] };

/** Throws a `TypeError` that names what is wrong with an options object (stores.md §18 C21). */
export function checkOptions(of: string, options: object, kindsOf: OptionKinds): void {
  if (typeof options !== 'object') throw new TypeError(`${of} needs an object of options.`);
  for (const [name, value] of Object.entries(options)) {
    const kind = Object.hasOwn(kindsOf, name) ? kindsOf[name] : undefined;
    if (kind === undefined) {
      const names = Object.keys(kindsOf).join(', ');
      throw new TypeError(`${of} has no option "${name}". It has: ${names}.`);
    }
    const isText = typeof kind === 'string';
    const type = value === null ? 'null' : typeof value;
    const isFit = isText ? kind.includes(type) : kind.includes(value);
    if (value === undefined || isFit) continue;
    throw new TypeError(
      `${of}: "${name}" must be ${isText ? `of type ${kind}` : kind.join(' or ')}.`,
    );
  }
}

/** The error of a client or handle that is closed (registry.md §8.1). */
export function closedError(what: string): HoldfastError {
  return new HoldfastError('closed', { what });
}
