import { isObject, type Json, type JsonObject, setOwn } from '@holdfast/protocol';
import { isMarker } from '@holdfast/protocol/views';
import { identityOf } from './identity.ts';

/** Why a value cannot travel, and where it stands (views.md §6.4). */
export class WireError extends TypeError {
  override readonly name = 'WireError';
}

/** One level of the way from the root of a value to a part of it. */
export type WirePath = readonly (string | number)[];

/** What a value is encoded with. */
export type WireOptions = {
  readonly depthMax: number;
  /** Gives the wire form of an object that is not plain; undefined: it has none. */
  readonly slot?: (value: object, path: WirePath, previous: Json | undefined) => Json | undefined;
  /** A member that the root gets before its own. */
  readonly mark?: readonly [name: string, value: Json];
};

/** A value in wire form, and how much there is of it. */
export type Wire = {
  readonly value: Json;
  /** Characters of its texts and names, and a few for each value; slots not counted. */
  readonly weight: number;
  /** Levels of it; slots not counted. */
  readonly height: number;
};

/**
 * Turns what application code gave into plain JSON of our own (views.md §6.4). Parts that are deep-equal to what stood at
 * the same place before come out as the very same objects (§11.4.2): at the same member, or of the same list identity.
 * Throws a {@link WireError} that names the path of what cannot travel.
 */
export function toWire(value: unknown, previous: Json | undefined, options: WireOptions): Wire {
  const writer = new Writer(options);
  const wire = writer.write(value, previous) ?? null;
  return { value: wire, weight: writer.weight, height: writer.height };
}

class Writer {
  weight = 0;
  height = 0;
  readonly #options: WireOptions;
  readonly #path: (string | number)[] = [];

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** Undefined: there is nothing to write. */
  write(value: unknown, previous: Json | undefined): Json | undefined {
    this.weight += 4;
    if (value === null || value === undefined || typeof value === 'boolean') return value;
    if (typeof value === 'object') return this.#writeObject(value, previous);
    if (typeof value === 'string') {
      this.weight += value.length;
      return value;
    }
    if (typeof value !== 'number') throw this.#fault(`is a ${typeof value}`);
    if (!Number.isFinite(value)) throw this.#fault('is not a finite number');
    return value === 0 ? 0 : value;
  }

  #writeObject(value: object, previous: Json | undefined): Json {
    const depth = this.#path.length;
    if (depth >= this.#options.depthMax) throw this.#fault('is nested too deep, or within itself');
    const slot = this.#options.slot?.(value, this.#path, previous);
    if (slot !== undefined) return slot;
    this.height = Math.max(this.height, depth + 1);
    if (Array.isArray(value)) {
      return this.#writeList(value, Array.isArray(previous) ? previous : noList);
    }
    if (!isPlain(value)) return this.#writeText(value);
    return this.#writeMembers(value, isObject(previous) ? previous : null);
  }

  #writeText(value: object): string {
    const text = textOf(value);
    if (text === null) throw this.#fault('is no plain data');
    this.weight += text.length;
    return text;
  }

  #writeList(list: readonly unknown[], previous: readonly Json[]): readonly Json[] {
    const former = new FormerElements(previous);
    const written: Json[] = [];
    let isSame = previous.length === list.length;
    // By index: holes are elements that are undefined.
    for (let index = 0; index < list.length; index++) {
      this.#path.push(index);
      const item = this.write(list[index], former.of(list[index], index)) ?? null;
      this.#path.pop();
      written.push(item);
      isSame &&= item === previous[index];
    }
    // It stays for as long as the tree: without the room that lists get as they grow.
    return isSame && previous !== noList ? previous : written.slice();
  }

  #writeMembers(
    value: { readonly [key: string]: unknown },
    previous: JsonObject | null,
  ): JsonObject {
    const written: { [key: string]: Json } = {};
    const mark = this.#path.length === 0 ? this.#options.mark : undefined;
    let [count, isSame] = [0, previous !== null];
    if (mark !== undefined) {
      setOwn(written, mark[0], mark[1]);
      isSame = previous?.[mark[0]] === mark[1];
      count++;
    }
    for (const key of Object.keys(value)) {
      const former = previous !== null && Object.hasOwn(previous, key) ? previous[key] : undefined;
      const member = this.#writeMember(key, value[key], former);
      if (member === undefined) continue;
      setOwn(written, key, member);
      isSame &&= member === former;
      count++;
    }
    return isSame && previous !== null && Object.keys(previous).length === count
      ? previous
      : written;
  }

  #writeMember(key: string, value: unknown, former: Json | undefined): Json | undefined {
    this.#path.push(key);
    if (isMarker(key)) throw this.#fault('has a reserved name');
    this.weight += key.length;
    const member = this.write(value, former);
    this.#path.pop();
    return member;
  }

  #fault(what: string): WireError {
    const path = this.#path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`));
    return new WireError(`The value at ${path.join('').replace(/^\./, '') || 'the root'} ${what}.`);
  }
}

const noList: readonly Json[] = [];

/** Finds what an element was before, wherever it stood: looks further than its index only if something moved. */
class FormerElements {
  readonly #list: readonly Json[];
  #byIdentity: Map<string | number, Json> | null = null;

  constructor(list: readonly Json[]) {
    this.#list = list;
  }

  of(element: unknown, index: number): Json | undefined {
    const here = this.#list[index];
    if (this.#list.length === 0 || typeof element !== 'object' || element === null) return here;
    const identity = isPlain(element) ? identityOf(element) : null;
    if (identity === null || identity === identityOf(here)) return here;
    if (this.#byIdentity === null) {
      this.#byIdentity = new Map();
      for (const item of this.#list) {
        const known = identityOf(item);
        if (known !== null) this.#byIdentity.set(known, item);
      }
    }
    return this.#byIdentity.get(identity);
  }
}

/** An object as a literal or a decoder makes it. */
function isPlain(value: object): value is { readonly [key: string]: unknown } {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || isForeignLiteral(prototype);
}

// Of another realm: its prototype is that realm's `Object.prototype`.
function isForeignLiteral(prototype: unknown): boolean {
  return (
    typeof prototype === 'object' &&
    prototype !== null &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'hasOwnProperty')
  );
}

const texts: ReadonlySet<string> = new Set(['[object Date]', '[object URL]']);

/** The text of a date or a URL; null: it is neither, or no valid date. By their tags: this language has no URL. */
function textOf(value: object): string | null {
  if (!texts.has(Object.prototype.toString.call(value))) return null;
  const text: unknown = JSON.parse(JSON.stringify(value));
  return typeof text === 'string' ? text : null;
}
