import { filesThatCite, type Proof } from './citations.ts';

/** The acceptance tests that this version has to pass, and those that wait for surface that is not built yet. */
const required = {
  S: range(1, 114),
  G: [...range(1, 51), ...range(54, 65)],
} as const;

/** Required as far as what they speak of exists. */
const partly = {
  S: [],
  G: [52, 53, ...range(66, 71)],
} as const;

/** What `docs/acceptance.md` says: which acceptance test is proved where, and which is not. */
export function acceptancePage(proofs: readonly Proof[]): string {
  const stores = [...numbers('S', required.S), ...numbers('S', partly.S)];
  const registry = [...numbers('G', required.G), ...numbers('G', partly.G)];
  const wanted = [...numbers('S', required.S), ...numbers('G', required.G)];
  const missing = wanted.filter((number) => filesThatCite(proofs, [number]).length === 0);
  return `# Acceptance

The specifications number their acceptance tests: S… for stores, G… for the registry. A test that proves one begins its
name with the number. This page is generated from those names by \`npm run docs\`, and a test fails when it is stale.

${wanted.length - missing.length} of the ${wanted.length} numbers that this version requires have a test.
${missing.length === 0 ? '' : `Without one: ${missing.join(', ')}.`}

Numbers in _italics_ are required as far as the surface that they speak of exists; for the others a test is required
today. A test may prove a number in part; the sentence in its name says which part.

## Stores

${coverage(stores, proofs)}

## Registry

${coverage(registry, proofs)}

## Beyond what is required

${beyond(proofs, new Set([...stores, ...registry]))}
`;
}

/** Every number that a test may cite. */
export function isAcceptanceNumber(name: string): boolean {
  const number = Number(name.slice(1));
  return number >= 1 && number <= (name.startsWith('S') ? 114 : 111);
}

function coverage(names: readonly string[], proofs: readonly Proof[]): string {
  const inPart = new Set([...numbers('S', partly.S), ...numbers('G', partly.G)]);
  const lines = names.toSorted(byNumber).map((name) => {
    const files = filesThatCite(proofs, [name]);
    const shown = inPart.has(name) ? `_${name}_` : name;
    return `- ${shown}: ${files.length === 0 ? 'not yet' : links(files)}`;
  });
  return lines.join('\n');
}

function beyond(proofs: readonly Proof[], known: ReadonlySet<string>): string {
  const cited = new Set(proofs.flatMap(({ cites }) => [...cites]));
  const others = [...cited].filter((name) => !known.has(name) && !name.startsWith('P'));
  if (others.length === 0) return 'Nothing so far.';
  const lines = others
    .toSorted(byNumber)
    .map((name) => `- ${name}: ${links(filesThatCite(proofs, [name]))}`);
  return lines.join('\n');
}

/** Files as links from a page in `docs/`. */
export function links(files: readonly string[]): string {
  return files.map((file) => `[${shortened(file)}](../${file})`).join(', ');
}

function shortened(file: string): string {
  return file
    .replace(/^packages\//, '')
    .replace('/test/', '/')
    .replace(/\.test\.tsx?$/, '');
}

function byNumber(a: string, b: string): number {
  return a[0] === b[0]
    ? Number(a.slice(1)) - Number(b.slice(1))
    : (a[0] ?? '') < (b[0] ?? '')
      ? 1
      : -1;
}

function numbers(letter: 'S' | 'G', of: readonly number[]): readonly string[] {
  return of.map((number) => `${letter}${number}`);
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
