import { createHash } from 'node:crypto';
import { canonicalText, type Viewer } from '../access/index.ts';

/** Stands for all that a rule may ask of a principal. */
export function viewerName(principal: Viewer): string {
  const { limits: _, expiresAt: __, ...rest } = principal;
  const text = canonicalText(rest, numberOf);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** What a function, or an object that shows nothing, says to a rule is known of no other. */
const opaque = new WeakMap<object, number>();
let opaqueCount = 0;

function numberOf(it: object): string {
  const known = opaque.get(it) ?? (opaqueCount += 1);
  opaque.set(it, known);
  return String(known);
}
