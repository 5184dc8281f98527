import type { OpId } from '@holdfast/protocol';

/** How many clients are remembered; the one met first is forgotten for one more. Forgetting costs a lookup. */
const clientsMax = 16_384;

const digitsMax = 15;

/** A client by its own ids: `device:session` of `device:session:counter` (records.md §11.2). */
export type Client = {
  readonly name: string;
  /** No committed id has a greater counter; null while that is not known. */
  high: number | null;
};

/**
 * Client and counter of an id of the shape `device:session:counter` (records.md §11.2); null for any other. The client
 * is named by all before the counter, so that whoever stores or reads highs agrees, whatever device says it is speaking.
 */
export function clientOf(opId: OpId): { readonly client: string; readonly counter: number } | null {
  const colon = opId.lastIndexOf(':');
  if (colon < 1 || opId.lastIndexOf(':', colon - 1) < 0) return null;
  const counter = counterFrom(opId, colon + 1);
  return counter === null ? null : { client: opId.slice(0, colon), counter };
}

/** The counter of an id, if it is one of this client; costs no string. */
export function counterIn(client: Client, opId: OpId): number | null {
  const { length } = client.name;
  if (opId.charCodeAt(length) !== 58 || !opId.startsWith(client.name)) return null;
  return counterFrom(opId, length + 1);
}

/** The decimal number that a text ends in, without leading zeros. */
function counterFrom(text: string, start: number): number | null {
  const digits = text.length - start;
  if (digits < 1 || digits > digitsMax) return null;
  if (digits > 1 && text.charCodeAt(start) === 48) return null;
  let counter = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return null;
    counter = counter * 10 + digit;
  }
  return counter;
}

/** The clients that have been met, with their highest committed counters. */
export class Clients {
  readonly #met = new Map<string, Client>();
  readonly #max: number;

  constructor(max: number = clientsMax) {
    this.#max = max;
  }

  /** The client of that name, from now on remembered. */
  meet(name: string): Client {
    const met = this.#met.get(name);
    if (met !== undefined) return met;
    const client: Client = { name, high: null };
    this.#met.set(name, client);
    if (this.#met.size > this.#max) this.#forgetFirst();
    return client;
  }

  /** Takes in what a lookup told. */
  learn(names: Iterable<string>, highs: ReadonlyMap<string, number>): void {
    for (const name of names) this.meet(name).high = highs.get(name) ?? -1;
  }

  /** Takes in a committed id that came by the log. */
  follow(opId: OpId): void {
    if (this.#met.size === 0) return;
    const id = clientOf(opId);
    const client = id === null ? undefined : this.#met.get(id.client);
    if (id !== null && client !== undefined) raise(client, id.counter);
  }

  /** A forgotten client is not kept up any longer, so whoever still holds it must not trust it. */
  #forgetFirst(): void {
    for (const [name, client] of this.#met) {
      client.high = null;
      this.#met.delete(name);
      return;
    }
  }
}

/** Takes in a committed counter. */
export function raise(client: Client, counter: number): void {
  if (client.high !== null && counter > client.high) client.high = counter;
}
