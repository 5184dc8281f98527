import { createHash } from 'node:crypto';
import { isObject } from '@holdfast/protocol';

/** The payload of a `put_file` by which repeats are known: with a digest in place of the content, which may be large. */
export function digested(payload: unknown): unknown {
  if (!isObject(payload) || typeof payload['content'] !== 'string') return payload;
  const content = createHash('sha256').update(payload['content']).digest('hex');
  return { ...payload, content };
}
