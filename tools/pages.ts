import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A Markdown page of the repository; `file` is relative to its root. */
export type Page = { readonly file: string; readonly text: string };

const skipped = /(^|\/)(node_modules|dist|temp|coverage|\.git)(\/|$)/;

/** Every Markdown page of the repository, in the order of their names. */
export function readPages(): readonly Page[] {
  return filesUnder(['.'], (name) => name.endsWith('.md'))
    .map(readPage)
    .toSorted((a, b) => (a.file < b.file ? -1 : 1));
}

/** One page by its name. */
export function readPage(file: string): Page {
  return { file, text: readFileSync(file, 'utf8') };
}

/** The files below some folders that a test of the name picks, without what is installed or built. */
export function filesUnder(
  folders: readonly string[],
  wanted: (name: string) => boolean,
): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (skipped.test(path)) return [];
      if (entry.isDirectory()) return filesUnder([path], wanted);
      return wanted(entry.name) ? [path] : [];
    }),
  );
}

/** Puts text between `<!-- name -->` and `<!-- /name -->` of a page. */
export function fill(text: string, name: string, content: string): string {
  const begin = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page lacks ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${content.trim()}\n\n${text.slice(to)}`;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** What counts of a page when two versions are compared: not how the formatter pads its tables. */
export function essence(text: string): string {
  return text
    .replaceAll(/-{3,}/g, '---')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/\n{2,}/g, '\n\n')
    .trim();
}
