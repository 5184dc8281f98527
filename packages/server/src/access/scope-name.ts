import { createHash } from 'node:crypto';
import type { Scope } from '@holdfast/engine/data';

import { grantsOf } from './path-rules.ts';

const { read: everything } = grantsOf(null);

/** Stands for what patterns cover of what may be read: who goes by equal hashes holds the same leaves. */
export function scopeHash(asked: Scope, readable: Scope): string {
  // Without patterns nothing is held, so rules make no difference.
  if (asked.isEmpty) return 'none';
  if (asked.isWhole && readable.isWhole) return 'all';
  const bounds = readable.bounds.map(({ name }) => name);
  const sources = [sourcesOf(asked), sourcesOf(readable)];
  return digestOf(JSON.stringify(bounds.length === 0 ? sources : [...sources, bounds]));
}

/** Stands for read rules: whoever has a part of a store by some name of its own learns by it whether they have changed. */
export function rightsName(readable: Scope | undefined): string {
  return readable === undefined ? 'all' : scopeHash(everything, readable);
}

/** The patterns of a scope, each once and in order; null: those of everything. */
export function sourcesOf({ isWhole, patterns }: Scope): readonly string[] | null {
  return isWhole ? null : [...new Set(patterns.map(({ source }) => source))].toSorted();
}

/** Stands for a text, however long that is. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
