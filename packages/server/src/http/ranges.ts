import type { ByteRange } from '../blobs/index.ts';

const rangesMax = 16;

/**
 * The parts that a `Range` header asks for, in its order; null if the whole is to be sent: no header, one of another form,
 * or one that asks for more than the whole (RFC 9110 §14.2). Empty: none of them is there.
 */
export function readRanges(header: string | undefined, size: number): readonly ByteRange[] | null {
  const list = /^bytes=(.+)$/i.exec(header?.trim() ?? '')?.[1];
  if (list === undefined) return null;
  const specs = list.split(',').map((spec) => spec.trim());
  if (specs.length > rangesMax) return null;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const range = readRange(spec, size);
    if (range === null) return null;
    if (range.start < range.end) ranges.push(range);
  }
  const asked = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  return asked > size ? null : ranges;
}

/** One of the list; one that is beyond the end is empty. */
function readRange(spec: string, size: number): ByteRange | null {
  const [, first = '', last = ''] = /^(\d{0,16})-(\d{0,16})$/.exec(spec) ?? [];
  if (first === '' && last === '') return null;
  if (first === '') return { start: Math.max(0, size - Number(last)), end: size };
  const start = Number(first);
  if (last !== '' && Number(last) < start) return null;
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  return start < size ? { start, end } : { start: 0, end: 0 };
}

/** `bytes a-b/total`, as `Content-Range` says it. */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** A piece of an upload: where it lies and how much the whole has; `range` is null where nothing is sent, only asked. */
export type Piece = { readonly range: ByteRange | null; readonly total: number };

/** Reads the `Content-Range` of an upload (stores.md §15.5.2); null for anything else. */
export function readPiece(header: string): Piece | null {
  const [, range, first, last, all] =
    /^bytes (\*|(\d{1,15})-(\d{1,15}))\/(\d{1,15})$/i.exec(header.trim()) ?? [];
  if (range === undefined || all === undefined) return null;
  const total = Number(all);
  if (range === '*') return { range: null, total };
  const [start, end] = [Number(first), Number(last) + 1];
  return start < end && end <= total ? { range: { start, end }, total } : null;
}
