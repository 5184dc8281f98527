import type { Tree } from '@holdfast/engine/data';
import { isObject, type Path, type Pattern, type Seq } from '@holdfast/protocol';
import type { BlobHash } from '@holdfast/server/blobs';
import { hashIn } from '../files/hash.ts';
import { coversPath } from '../parts/border.ts';
import type { Logged } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';

/** That an entry names content: from one seq on until another, and when that was. */
export type Naming = {
  readonly path: Path;
  readonly hash: BlobHash;
  readonly size: number;
  readonly since: number;
  fromSeq: Seq;
  untilSeq: Seq;
  until: number;
};

/** What the entries of a store name, and have named. */
export function namingsIn(log: readonly Logged[]): readonly Naming[] {
  const truth = new Truth(log.map(({ op }) => op));
  const states = truth.statesAt(truth.ops.map(({ seq }) => seq));
  const all: Naming[] = [];
  const current = new Map<Path, Naming>();
  for (const { op, at } of log) {
    const named = namedIn(states.get(op.seq));
    for (const [path, naming] of current) {
      if (named.get(path)?.hash === naming.hash) continue;
      Object.assign(naming, { untilSeq: op.seq, until: at });
      current.delete(path);
    }
    for (const [path, { hash, size }] of named) {
      if (current.has(path)) continue;
      const ends = { untilSeq: Infinity, until: Infinity };
      const naming = { path, hash, size, since: at, fromSeq: op.seq, ...ends };
      current.set(path, naming);
      all.push(naming);
    }
  }
  return all;
}

type Named = ReadonlyMap<Path, { readonly hash: BlobHash; readonly size: number }>;

function namedIn(state: Tree | undefined): Named {
  const named = new Map<Path, { readonly hash: BlobHash; readonly size: number }>();
  for (const { path, value } of state?.entries() ?? []) {
    const hash = hashIn(value);
    if (hash !== null && isObject(value)) named.set(path, { hash, size: Number(value['size']) });
  }
  return named;
}

/** What somebody may read, and since when. */
export type Rights = { readonly at: number; readonly patterns: readonly Pattern[] };

/** A download that was begun: what of, and between which times it was decided. */
export type Download = {
  readonly who: string;
  readonly hash: BlobHash;
  /** The entry that it was asked by; null: by the hash alone. */
  readonly path: string | null;
  readonly from: number;
  readonly until: number;
};

/** A server answers by what it has been told is stored, and that may be late where the disk fails. */
const staleMs = 10_000;

/** Whether an entry named the content while the download was decided. */
export function wasNamed(namings: readonly Naming[], download: Download): boolean {
  return namings.some((naming) => meets(naming, download));
}

/** Whether such an entry could be read then, by rights that are told newest first. */
export function wasReadable(
  namings: readonly Naming[],
  download: Download,
  rights: readonly Rights[],
): boolean {
  const { from, until } = download;
  const inForce = rights.filter(
    ({ at }, index) => at <= until && (rights[index - 1]?.at ?? Infinity) >= from,
  );
  return namings.some(
    (naming) =>
      meets(naming, download) && inForce.some(({ patterns }) => coversPath(patterns, naming.path)),
  );
}

function meets(naming: Naming, { hash, path, from, until }: Download): boolean {
  if (naming.hash !== hash || (path !== null && naming.path !== path)) return false;
  return naming.since <= until && naming.until + staleMs >= from;
}
