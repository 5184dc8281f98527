import { existsSync } from 'node:fs';
import { links } from './acceptance.ts';
import { filesThatCite, type Proof } from './citations.ts';
import type { Page } from './pages.ts';

/** One promise of `docs/guarantees.md`, and what proves it: acceptance numbers, or files. */
export type Promised = { readonly name: string; readonly by: readonly string[] };

const promise = /^- \*\*(P\d+)\*\* ([^\n]*(?:\n {2,}[^\n]+)*)/gm;

/** The promises of the page, in its order. */
export function promisesOf({ text }: Page): readonly Promised[] {
  return [...text.matchAll(promise)].map(([, name = '', body = '']) => ({
    name,
    by: [...(body.match(/\b[SG]\d+\b/g) ?? []), ...(body.match(/packages\/[\w./-]+\.ts/g) ?? [])],
  }));
}

/** Which test files prove which promise: those that cite it, or a number that it names. */
export function proofList(promises: readonly Promised[], proofs: readonly Proof[]): string {
  const lines = promises.map((promised) => {
    const files = filesOf(promised, proofs);
    return `- ${promised.name}: ${files.length === 0 ? '**not yet**' : links(files)}`;
  });
  return lines.join('\n');
}

function filesOf({ name, by }: Promised, proofs: readonly Proof[]): readonly string[] {
  const named = by.filter((file) => file.includes('/') && existsSync(file));
  return [...new Set([...filesThatCite(proofs, [name, ...by]), ...named])].toSorted();
}
