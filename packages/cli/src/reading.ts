import type { ReadEntry } from './entries.ts';
import type { Output } from './output.ts';
import { printable, shortValue } from './output.ts';
import { misuse } from './failure.ts';
import { readInteger, readOptional } from './values.ts';

/** Which page of a listing. */
export const pageArgs = {
  limit: { type: 'string', valueHint: 'N', description: 'At most so many' },
  after: {
    type: 'string',
    valueHint: 'PATH',
    description: 'Begin after this path: the "next" of the page before',
  },
  order: {
    type: 'string',
    valueHint: 'asc|desc',
    default: 'asc',
    description: 'Order of the paths',
  },
} as const;

/** Reads {@link pageArgs}. */
export function readPage(args: {
  readonly limit: string | undefined;
  readonly after: string | undefined;
  readonly order: string;
}): { limit?: number; after?: string; order: 'asc' | 'desc' } {
  const { after, order } = args;
  if (order !== 'asc' && order !== 'desc') throw misuse(`--order is asc or desc, not "${order}".`);
  const limit = readOptional(args.limit, (text) => readInteger(text, '--limit', { min: 1 }));
  return {
    order,
    ...(limit !== undefined && { limit }),
    ...(after !== undefined && { after }),
  };
}

/** Shows a page of entries. */
export function showEntries(
  output: Output,
  page: { readonly items: readonly ReadEntry[]; readonly next: string | null },
): void {
  const rows = page.items.map(({ path, value, type, revision }) => ({
    path,
    value,
    type,
    revision,
  }));
  output.table(rows, [
    { title: 'PATH', cell: ({ path }) => path },
    { title: 'VALUE', cell: ({ value }) => shortValue(value), shrinks: true },
    { title: 'TYPE', cell: ({ type }) => type },
    { title: 'REVISION', cell: ({ revision }) => String(revision), align: 'right' },
  ]);
  if (rows.length === 0) output.note('Nothing matches.');
  showNext(output, page.next);
}

/** Says where the next page begins, if there is one. */
export function showNext(output: Output, next: string | null): void {
  if (next === null) return;
  output.aside({ next }, () => `More follow: --after '${printable(next)}'`);
}
