import { readFileSync } from 'node:fs';
import { filesUnder } from './pages.ts';

/** A test file, and what it says it proves: acceptance numbers such as `S12`, and promises such as `P7`. */
export type Proof = { readonly file: string; readonly cites: ReadonlySet<string> };

// The first argument of a call, if it is a text that begins with numbers: `test('S62 S65 any request …`. What is skipped proves nothing.
const named = /(?<!\.(?:skip|todo))\(\s*(['"`])((?:[SGVR]\d{1,3}(?:[\s,:]+|\1))+)/g;
// `(P7)` or `(P7, P9)`, in a name or a comment.
const promised = /\((P\d{1,3}(?:,\s*P\d{1,3})*)\)/g;

/** Every test file of the repository, in the order of their names. */
export function readProofs(): readonly Proof[] {
  const files = filesUnder(['packages', 'simulation', 'tools'], (name) =>
    /\.test\.tsx?$/.test(name),
  );
  return files.toSorted().map((file) => ({ file, cites: citationsOf(readFileSync(file, 'utf8')) }));
}

/** What the text of a test file cites. */
export function citationsOf(text: string): ReadonlySet<string> {
  const numbers = [...text.matchAll(named)].flatMap(
    ([, , names]) => names?.match(/[SGVR]\d+/g) ?? [],
  );
  const promises = [...text.matchAll(promised)].flatMap(([, names]) => names?.match(/P\d+/g) ?? []);
  return new Set([...numbers, ...promises]);
}

/** The files that cite one of the names. */
export function filesThatCite(
  proofs: readonly Proof[],
  names: readonly string[],
): readonly string[] {
  return proofs
    .filter(({ cites }) => names.some((name) => cites.has(name)))
    .map(({ file }) => file);
}
