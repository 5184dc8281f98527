import { isObject } from '@holdfast/protocol';
import type { Context } from 'hono';

import type { HttpDeps } from './deps.ts';
import { type Allowed, whyEnded } from './identify.ts';
import { whileAllowed } from './lively.ts';
import { Members } from './members.ts';
import { streamOf } from './stream-of.ts';
import { turn } from './turns.ts';

const PIECE_CHARS = 64 * 1024;

/**
 * Answers with JSON of whatever size: what is more than one piece is sent piece by piece, for one string could not hold all.
 * A list may be whatever can be gone through: its items are made as they are sent, as {@link Members} are. No more is sent to
 * who is shut out meanwhile, or of a store that is gone.
 */
export function answerJson(
  c: Context,
  value: unknown,
  allowed: Allowed & { readonly deps: Pick<HttpDeps, 'clock'> },
): Response {
  const pieces = piecesOf(value);
  const [first, second] = [pieces.next(), pieces.next()];
  const begun = [first, second].flatMap(({ done, value: text }) => (done === true ? [] : [text]));
  const isWhole = second.done === true;
  const headers = { 'Content-Type': 'application/json' };
  // Nobody reads or ends the stream of a HEAD.
  if (c.req.method === 'HEAD' && !isWhole) return c.body(null, 200, headers);
  if (isWhole) return c.body(begun.join(''), 200, headers);
  const bytes = whileAllowed(encoded(begun, pieces), () => whyEnded(c, allowed));
  return c.body(streamOf(bytes, allowed.deps), 200, headers);
}

/** Others have their turns between two pieces: a reader that is fast takes many of them at one go. */
async function* encoded(
  begun: readonly string[],
  rest: Iterable<string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  for (const text of begun) yield encoder.encode(text);
  for (const text of rest) {
    yield encoder.encode(text);
    await turn();
  }
}

function* piecesOf(value: unknown): Generator<string, void, undefined> {
  let text = '';
  for (const part of partsOf(value)) {
    text += part;
    if (text.length < PIECE_CHARS && part !== '') continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/**
 * What JSON says of a value, in parts of which none is longer than a leaf is: only objects, and lists of them, are long. An
 * empty part says that others want their turn.
 */
function* partsOf(value: unknown): Generator<string, void, undefined> {
  if (value instanceof Members) return yield* value.parts();
  const items = longListOf(value);
  if (items !== null) {
    let before = '[';
    for (const item of items) {
      yield before;
      yield* partsOf(item);
      before = ',';
    }
    yield before === '[' ? '[]' : ']';
  } else if (isObject(value) && Object.values(value).some(hasMembers)) {
    yield '{';
    let comma = '';
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue;
      const name = `${comma}${JSON.stringify(key)}:`;
      comma = ',';
      if (hasMembers(item)) {
        yield name;
        yield* partsOf(item);
      } else {
        yield name + JSON.stringify(item);
      }
    }
    yield '}';
  } else {
    yield JSON.stringify(value);
  }
}

function longListOf(value: unknown): Iterable<unknown> | null {
  if (Array.isArray(value)) return value.some(isObject) ? value : null;
  return isIterable(value) ? value : null;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return isObject(value) && Symbol.iterator in value;
}

function hasMembers(value: unknown): boolean {
  return isObject(value) || Array.isArray(value);
}
