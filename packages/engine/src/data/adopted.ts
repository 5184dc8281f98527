import { comparePaths, type EntryTuple, type Leaf, type Path, type Seq } from '@holdfast/protocol';
import {
  type Child,
  type Children,
  few,
  freeze,
  MapNode,
  Page,
  type Stamp,
  width,
} from './node.ts';

/** Rows of one map, in order, and how long the prefix is that they have in common. */
type Run = {
  readonly rows: readonly EntryTuple[];
  readonly from: number;
  readonly to: number;
  readonly prefix: number;
};

/** So many rows have their greatest revision noted, for maps of many. */
const BLOCK = 1024;

/** Whose the maps are that are made of rows, and the revisions of maps that came as rows of their own. */
type Owner = {
  readonly stamp: Stamp;
  readonly early: ReadonlyMap<string, Seq>;
  /** The greatest revision of each block of rows. */
  readonly tops: Seq[];
  /** The keys of the last map: the next one mostly has the same, and then they have one list of them. */
  keys: string[];
};

/** Leaves that came in path order, none below another. They become nodes where something near them is looked at. */
export class Adopted {
  readonly #owner: Owner;
  readonly #rows: EntryTuple[] = [];
  #last: Path | null = null;
  /** Earlier paths that the last one begins with: only below these can anything be that follows. */
  readonly #stems: Path[] = [];

  constructor(owner: Omit<Owner, 'keys' | 'tops'>) {
    this.#owner = { ...owner, keys: [], tops: [] };
  }

  /** Takes the first rows, as far as they go on in order; returns how many, and the greatest of their revisions. */
  take(rows: readonly EntryTuple[]): { readonly count: number; readonly seq: Seq } {
    let count = 0;
    let seq = 0;
    const { tops } = this.#owner;
    for (let row = rows[0]; row !== undefined && this.#follows(row[0]); row = rows[count]) {
      const block = Math.floor(this.#rows.length / BLOCK);
      tops[block] = Math.max(tops[block] ?? 0, row[3]);
      this.#rows.push(row);
      seq = Math.max(seq, row[3]);
      count += 1;
    }
    return { count, seq };
  }

  pages(): Page[] {
    const rows = this.#rows;
    return pagesOf({ rows, from: 0, to: rows.length, prefix: 0 }, this.#owner);
  }

  #follows(path: Path): boolean {
    const last = this.#last;
    const stems = this.#stems;
    if (last !== null) {
      if (comparePaths(last, path) >= 0) return false;
      if (path.startsWith(last)) stems.push(last);
    }
    while (stems.length > 0 && !path.startsWith(stems.at(-1) ?? '')) stems.pop();
    if (stems.some((stem) => path[stem.length] === '/')) return false;
    this.#last = path;
    return true;
  }
}

/** Pages that are made one by one, each of whole children. */
function pagesOf(run: Run, owner: Owner): Page[] {
  const pages: Page[] = [];
  for (let from = run.from, to = from; from < run.to; from = to) {
    const last = Math.min(from + width, run.to) - 1;
    to = endOf(run, last, keyAt(run, last));
    const part = { ...run, from, to };
    const first = { keys: [keyAt(run, from)], values: [] };
    pages.push(new Page(owner.stamp, first, () => childrenOf(part, owner)));
  }
  return pages;
}

function childrenOf(run: Run, owner: Owner): Children {
  const { rows, prefix } = run;
  const keys: string[] = [];
  const values: Child[] = [];
  let from = run.from;
  for (let row = rows[from]; row !== undefined && from < run.to; row = rows[from]) {
    const key = keyAt(run, from);
    const to = endOf(run, from, key);
    const inner = { rows, from, to, prefix: prefix + key.length };
    keys.push(key);
    values.push(key.endsWith('/') ? mapOf(inner, owner) : leafOf(row));
    from = to;
  }
  const known = owner.keys;
  const isKnown = keys.length === known.length && keys.every((key, at) => key === known[at]);
  if (!isKnown || keys.length >= few) owner.keys = keys.slice();
  return { keys: owner.keys, values: values.slice() };
}

function mapOf(run: Run, owner: Owner): MapNode {
  const count = run.to - run.from;
  const pages =
    count > width ? pagesOf(run, owner) : [new Page(owner.stamp, childrenOf(run, owner))];
  const map = new MapNode(owner.stamp, pages);
  map.count = count;
  for (let at = run.from; at < run.to;) {
    // Of a whole block the greatest revision is known.
    const isWhole = at % BLOCK === 0 && at + BLOCK <= run.to;
    map.wrote((isWhole ? owner.tops[at / BLOCK] : run.rows[at]?.[3]) ?? 0);
    at += isWhole ? BLOCK : 1;
  }
  if (owner.early.size > 0) {
    map.removed(owner.early.get(run.rows[run.from]?.[0].slice(0, run.prefix - 1) ?? '') ?? 0);
  }
  return map;
}

function leafOf([, value, type, revision]: EntryTuple): Leaf {
  return { value: freeze(value), type, revision };
}

/** The sort key of the child in which a row is. */
function keyAt({ rows, prefix }: Run, at: number): string {
  const path = rows[at]?.[0] ?? '';
  const end = path.indexOf('/', prefix) + 1;
  return end === 0 ? path.slice(prefix) : path.slice(prefix, end);
}

/** Behind the last row of the child in which a row is: its rows stand together, and of a large one only few are looked at. */
function endOf({ rows, prefix, to }: Run, at: number, key: string): number {
  let last = at;
  for (let step = key.endsWith('/') ? 1 : 0; step > 0;) {
    const next = last + step;
    const isIn = next < to && rows[next]?.[0].startsWith(key, prefix) === true;
    if (isIn) last = next;
    step = isIn ? step * 2 : Math.floor(step / 2);
  }
  return last + 1;
}
