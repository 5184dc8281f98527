import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { isAcceptanceNumber } from './acceptance.ts';
import { citationsOf, readProofs } from './citations.ts';
import { freshPages } from './docs.ts';
import { promisesOf } from './guarantees.ts';
import { essence, fill, type Page, readPage, readPages } from './pages.ts';
import { compileSnippets } from './snippets.ts';

test('the generated parts of the documents say what is so; if this fails: npm run docs', async () => {
  for (const [file, fresh] of await freshPages()) {
    expect(existsSync(file), `${file} is missing; run: npm run docs`).toBe(true);
    expect(essence(readPage(file).text), `${file} is stale; run: npm run docs`).toBe(
      essence(fresh),
    );
  }
});

test('every promise is numbered once, in order, and names what proves it', () => {
  const promises = promisesOf(readPage('docs/guarantees.md'));
  expect(promises.map(({ name }) => name)).toEqual(promises.map((_, index) => `P${index + 1}`));
  for (const { name, by } of promises) {
    expect(by, `${name} names no proof`).not.toEqual([]);
    const unknown = by.filter(
      (each) => !(each.includes('/') ? existsSync(each) : isAcceptanceNumber(each)),
    );
    expect(unknown, `${name} names what does not exist`).toEqual([]);
  }
});

test('every promise and number that a test cites exists', () => {
  const known = new Set(promisesOf(readPage('docs/guarantees.md')).map(({ name }) => name));
  const strange = readProofs().flatMap(({ file, cites }) =>
    [...cites]
      .filter((name) => (name.startsWith('P') ? !known.has(name) : !isAcceptanceNumber(name)))
      .map((name) => `${file}: ${name}`),
  );
  expect(strange).toEqual([]);
});

test('every TypeScript block of README, guide and package pages compiles', async () => {
  const pages = readPages().filter(({ file }) =>
    /^(README\.md|docs\/guide\/|packages\/|simulation\/)/.test(file),
  );
  expect(pages.length).toBeGreaterThan(4);
  expect(await compileSnippets(pages)).toBe('');
}, 120_000);

test('a TypeScript block that does not compile is found, at its line', async () => {
  const page = { file: 'wrong.md', text: '# Wrong\n\n```ts\nconst a: number = "text";\n```\n' };
  const react = { file: 'react.md', text: '# Wrong\n\n```tsx\nconst a = <b title={1} />;\n```\n' };
  const named =
    "```ts a.ts\nexport const a = 1;\n```\n```ts b.ts\nimport { a } from './a.ts';\na.b;\n```\n";
  const found = await compileSnippets([page, react, { file: 'named.md', text: named }]);
  expect(found).toMatch(/wrong\.md\.ts\(4,7\): error TS2322/);
  expect(found).toMatch(/react\.md\.tsx\(4,14\): error TS2322/);
  expect(found).toMatch(/named\.md\/b\.ts\(6,3\): error TS2339/);
}, 120_000);

test('every link within the repository leads somewhere', () => {
  expect(readPages().flatMap(deadLinks)).toEqual([]);
});

test('the picture of the house shows every folder of its large packages', () => {
  const { text } = readPage('ARCHITECTURE.md');
  expect(['engine', 'server', 'client'].flatMap((room) => unseen(room, text))).toEqual([]);
  expect(unseen('engine', text.replace('    data/ ', ''))).toEqual(['engine/src/data']);
});

test('a dead link is found, to a file and to a heading', () => {
  const text = '[a](./no-such.md) [b](#here-i-am) [c](#nowhere)\n\n## Here I am\n';
  expect(deadLinks({ file: 'docs/x.md', text })).toEqual([
    'docs/x.md: ./no-such.md',
    'docs/x.md: #nowhere',
  ]);
});

test('acceptance numbers are read where a name begins with them, promises where they stand in brackets', () => {
  // Put together here, so that this file does not seem to prove them.
  const [quote, number, promise] = ["'", 'S', 'P'];
  const text = [
    `test(${quote}${number}12 ${number}13 one thing', …)`,
    `it.each(all)(${quote}G7: %s (${promise}4, ${promise}5)')`,
    `run('x', '${number}99 no'); // ${number}1`,
    `test.skip(${quote}${number}14 not today', …)`,
  ];
  expect([...citationsOf(text.join('\n'))]).toEqual(['S12', 'S13', 'G7', 'P4', 'P5']);
});

test('a page without the place for a generated part is an error', () => {
  expect(() => fill('no place', 'figures', '')).toThrow('<!-- figures -->');
});

/** The folders of a package that the picture of the house leaves out. */
function unseen(room: string, text: string): string[] {
  const [, picture = ''] = text.split(`\n  ${room}/`);
  const [part = ''] = picture.split(/\n {2}\w/);
  return readdirSync(`packages/${room}/src`, { withFileTypes: true })
    .filter((each) => each.isDirectory() && !part.includes(`\n    ${each.name}/ `))
    .map(({ name }) => `${room}/src/${name}`);
}

function deadLinks({ file, text }: Page): string[] {
  const prose = text.replaceAll(/```.*?```/gs, '').replaceAll(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  return targets
    .filter((target) => !leads({ file, text }, target))
    .map((target) => `${file}: ${target}`);
}

function leads(page: Page, target: string): boolean {
  if (/^[a-z]+:/.test(target)) return true;
  const [path = '', anchor] = target.split('#');
  const file = normalize(join(dirname(page.file), path));
  if (path !== '' && !existsSync(file)) return false;
  if (anchor === undefined) return true;
  const { text } = path === '' ? page : readPage(file);
  return anchorsOf(text).has(anchor);
}

function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '');
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}
