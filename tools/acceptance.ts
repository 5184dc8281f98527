import { filesThatCite, type Proof } from './citations.ts';

/** One specification's acceptance tests. */
type Chapter = {
  readonly title: string;
  readonly letter: string;
  /** How many its specification numbers. */
  readonly last: number;
  /** Numbers that the specification has given up. */
  readonly removed?: readonly number[];
};

const chapters: readonly Chapter[] = [
  { title: 'Stores', letter: 'S', last: 114 },
  { title: 'Registry', letter: 'G', last: 111 },
  { title: 'Views', letter: 'V', last: 92 },
  { title: 'Records', letter: 'R', last: 260, removed: [123, 180, 188, 191] },
];

/** What `docs/acceptance.md` says: which acceptance test is proved where, and which is not. */
export function acceptancePage(proofs: readonly Proof[]): string {
  const wanted = chapters.flatMap((chapter) => named(chapter));
  const missing = wanted.filter((number) => !isProved(number, proofs));
  return `# Acceptance

The specifications number their acceptance tests: S… for stores, G… for the registry, V… for views, R… for records. A test
that proves one begins its name with the number. This page is generated from those names by \`npm run docs\`, and a test
fails when it is stale.

${wanted.length - missing.length} of the ${wanted.length} numbers have a test.
${missing.length === 0 ? '' : `Without one: ${missing.join(', ')}.`}

A test may prove a number in part; the sentence in its name says which part.

${chapters.map((chapter) => section(chapter, proofs)).join('\n\n')}
`;
}

/** Every number that a test may cite. */
export function isAcceptanceNumber(name: string): boolean {
  const chapter = chapters.find(({ letter }) => name.startsWith(letter));
  return chapter !== undefined && numbersOf(chapter).includes(Number(name.slice(1)));
}

function section(chapter: Chapter, proofs: readonly Proof[]): string {
  const names = named(chapter);
  const proved = names.filter((name) => isProved(name, proofs));
  const lines = names.map((name) => {
    const files = filesThatCite(proofs, [name]);
    return `- ${name}: ${files.length === 0 ? 'not yet' : links(files)}`;
  });
  return `## ${chapter.title}\n\n${proved.length} of ${names.length}.\n\n${lines.join('\n')}`;
}

function isProved(name: string, proofs: readonly Proof[]): boolean {
  return filesThatCite(proofs, [name]).length > 0;
}

function numbersOf({ last, removed = [] }: Chapter): readonly number[] {
  return range(1, last).filter((number) => !removed.includes(number));
}

function named(chapter: Chapter): readonly string[] {
  return numbersOf(chapter).map((number) => `${chapter.letter}${number}`);
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

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
