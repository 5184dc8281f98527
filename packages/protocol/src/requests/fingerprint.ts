import { isObject } from '../json.ts';
import { renderPath } from '../path.ts';
import { isStrings } from '../shape.ts';

// What makes two requests the same request (stores.md §6.3). The event's own fields; the id and `unblock` are not among them.
const fields = [
  'op',
  'value',
  'if_match',
  'if_absent',
  'fence',
  'ttl_ms',
  'holder',
  'token',
  'record',
  'name',
  'content',
  'filename',
  'content_type',
  'ops',
  'preconditions',
];

// Deeper than any request that is accepted, so what lies below makes no difference.
const depthMax = 80;
const twoTo32 = 0x1_0000_0000;

/** Two 32-bit lanes, mixed independently. */
type Lanes = { a: number; b: number };

/**
 * A 53-bit hash of what a push asks for. Equal requests have equal hashes: the order of keys, an absent field in place
 * of null and the form of the path do not count (stores.md §6.3). Takes any payload, checked or not.
 */
export function fingerprint(payload: unknown): number {
  if (!isObject(payload)) return 0;
  const lanes: Lanes = { a: 0x2545f491, b: 0x6c62272e };
  for (const field of fields) {
    const value = payload[field];
    if (value === undefined || value === null) continue;
    mixText(lanes, field);
    mixValue(lanes, value, 0);
  }
  const { path, path_segments: segments } = payload;
  mixValue(lanes, isStrings(segments) ? renderPath(segments) : (segments ?? path), 0);
  finish(lanes);
  return (lanes.a & 0x1f_ffff) * twoTo32 + lanes.b;
}

function mixValue(lanes: Lanes, value: unknown, depth: number): void {
  if (typeof value === 'string') {
    mix(lanes, 1);
    mixText(lanes, value);
  } else if (typeof value === 'number' || typeof value === 'boolean') {
    mix(lanes, 2);
    mixText(lanes, String(value));
  } else if (Array.isArray(value)) {
    mix(lanes, 3 + value.length * 8);
    if (depth < depthMax) for (const item of value) mixValue(lanes, item, depth + 1);
  } else if (isObject(value)) {
    mixProperties(lanes, value, depth);
  } else {
    mix(lanes, 5);
  }
}

// Each property is hashed by itself and the hashes are added up, so their order makes no difference.
function mixProperties(
  lanes: Lanes,
  value: { readonly [key: string]: unknown },
  depth: number,
): void {
  const sum: Lanes = { a: 0, b: 0 };
  const keys = Object.keys(value);
  for (const key of depth < depthMax ? keys : []) {
    const property: Lanes = { a: 0x1b873593, b: 0x7f4a7c15 };
    mixText(property, key);
    mixValue(property, value[key], depth + 1);
    finish(property);
    sum.a = (sum.a + property.a) | 0;
    sum.b = (sum.b + property.b) | 0;
  }
  mix(lanes, 4 + keys.length * 8);
  mix(lanes, sum.a);
  mix(lanes, sum.b);
}

// Two characters at a time, on locals: this is where the time goes.
function mixText(lanes: Lanes, text: string): void {
  mix(lanes, text.length);
  let { a, b } = lanes;
  for (let i = 0; i < text.length; i += 2) {
    const word = text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16);
    a = mixA(a, word);
    b = mixB(b, word);
  }
  lanes.a = a;
  lanes.b = b;
}

function mix(lanes: Lanes, word: number): void {
  lanes.a = mixA(lanes.a, word);
  lanes.b = mixB(lanes.b, word);
}

function mixA(lane: number, word: number): number {
  const mixed = Math.imul(lane ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function mixB(lane: number, word: number): number {
  const mixed = Math.imul(lane ^ (word + 0x7ed55d16), 0x85ebca77);
  return mixed ^ (mixed >>> 13);
}

// Each lane takes the other in, one after the other, so that nothing is lost.
function finish(lanes: Lanes): void {
  lanes.a = spread(lanes.a ^ (lanes.b >>> 5));
  lanes.b = spread(lanes.b ^ (lanes.a >>> 5));
}

/** Lets each bit of a word reach all others (the finalizer of MurmurHash3). */
function spread(word: number): number {
  const first = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return (second ^ (second >>> 16)) >>> 0;
}
