import { blockChars, type Blocks, type Change, thereIn, weigh } from './blocks.ts';
import { cacheFault, type Row } from './rows.ts';

/** A commit waits for its fold: what more blocks would take, later ones do. */
const foldedBlocks = 64;

/** Folds changes into the blocks of which they change most; the others stay changes, though in fewer records. */
export async function fold(into: Blocks): Promise<void> {
  const [found, blocks] = await Promise.all([into.changes(), into.keys()]);
  const keys = blocks.length > 0 ? blocks : [`${into.n}!`];
  const shares = sharesOf([...found].toSorted(byId), keys, into.n);
  const due = new Set(shares.toSorted((a, b) => b.length - a.length).slice(0, foldedBlocks));
  const rows = new Map<string, string | null>();
  into.isOrdered = true;
  for (const [slot, share] of shares.entries()) {
    if (rows.size === 0 && !(share.length > 0 && due.has(share))) continue;
    const key = keys[slot] ?? '';
    const touched = blocks.length > 0 ? await into.rows(key) : [];
    into.counts.size -= weigh(touched);
    for (const [id, text] of [...touched, ...share]) {
      rows.set(id, text);
      found.delete(id);
    }
    into.store.delete(key);
    const left = [...rows].flatMap(thereIn).toSorted(byId);
    // Too little for a block goes into the next one.
    if (slot < keys.length - 1 && weigh(left) < blockChars / 8) continue;
    putBlocks(into, left);
    rows.clear();
  }
  into.store.delete(into.range('#'));
  into.isOrdered = false;
  for (const row of found) into.add(row);
  into.flush();
}

/** The changes that belong into each block. */
function sharesOf(
  changes: readonly Change[],
  keys: readonly string[],
  n: string,
): readonly Change[][] {
  const shares = keys.map((): Change[] => []);
  let at = 0;
  for (const row of changes) {
    while (`${n}!${row[0]}` >= (keys[at + 1] ?? `${n}"`)) at += 1;
    shares[at]?.push(row);
  }
  return shares;
}

/** Puts rows as blocks of equal weight. */
function putBlocks(into: Blocks, rows: readonly Row[]): void {
  const weight = weigh(rows);
  const chars = weight / Math.ceil(weight / blockChars);
  for (const row of rows) into.add(row, chars);
  into.flush();
  // What is damaged is not to look as if it were not.
  if (!into.isOrdered) throw cacheFault('corrupt');
}

function byId([a]: Change, [b]: Change): number {
  return a < b ? -1 : 1;
}
