import type { BlobHash } from '@holdfast/server/blobs';
import { hashIn } from '../files/hash.ts';
import type { Logged } from '../src/world.ts';
import { type Naming, type Rights, wasNamed, wasReadable } from './past.ts';
import type { Person } from './person.ts';

/** What happened in a store, and to whom it belongs. */
export type StorePast = {
  readonly log: readonly Logged[];
  readonly namings: readonly Naming[];
  /** Everybody of its org. */
  readonly people: readonly Person[];
};

/** What is wrong with what somebody was given, has named, and was told. */
export function wrongOf(
  person: Person,
  past: StorePast,
  rights: readonly Rights[],
): readonly string[] {
  return [...given(person, past, rights), ...written(person, past), ...told(person, past)];
}

/** Nobody is given what is of another org, or beyond their rights. */
function given(
  { name, downloads }: Person,
  { namings }: StorePast,
  rights: readonly Rights[],
): readonly string[] {
  return downloads.flatMap((download) => {
    if (wasReadable(namings, download, rights)) return [];
    const word = wasNamed(namings, download) ? 'barred' : 'foreign';
    const { hash, path, until } = download;
    return [`${word}: ${name} was given ${hash} by ${path ?? 'its hash'} at ${until.toFixed(0)}`];
  });
}

/** An entry names what somebody has brought to its store, or what that has named before. */
function written({ name }: Person, { log, namings, people }: StorePast): readonly string[] {
  return log.flatMap(({ op, at }) => {
    const hash = hashIn(op.value);
    if (hash === null || op.deviceId !== name) return [];
    const isBrought = people.some((each) => each.hasBrought(hash, at));
    const isHeld = namings.some((each) => each.hash === hash && each.fromSeq < op.seq);
    return isBrought || isHeld ? [] : [`named: ${name} wrote ${hash}, which nobody brought`];
  });
}

/** What was said to be stored is there. */
function told({ name, uploads }: Person, { log }: StorePast): readonly string[] {
  return uploads.flatMap(({ hash, path, seq }) => {
    if (seq === null) return [];
    const op = log[seq - 1]?.op;
    if (op?.path === path && hashIn(op.value) === hash) return [];
    return [`stored: ${hash} is not what ${name} put at ${path}, at seq ${seq}`];
  });
}

/** What is named in all stores: now, and at each seq to which there is a way back. */
export type Wanted = { readonly current: readonly Naming[]; readonly retained: readonly Naming[] };

/** What an entry names is there, and so is what a way back needs. */
export function missing(
  { current, retained }: Wanted,
  kept: ReadonlyMap<BlobHash, number>,
): readonly string[] {
  const lost = (word: string, wanted: readonly Naming[]): readonly string[] =>
    wanted
      .filter(({ hash, size }) => kept.get(hash) !== size)
      .map(({ path, hash }) => `${word}: ${path} names ${hash}, which is not there whole`);
  return [...lost('together', current), ...lost('retained', retained)];
}
