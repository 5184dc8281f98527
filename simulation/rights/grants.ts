import { containsScope, type Path, type Pattern } from '@holdfast/protocol';
import type { PathRule } from '@holdfast/server';
import { coversPath, parsed } from '../parts/border.ts';

/** What somebody may read and write. */
type Rights = { readonly read: readonly string[]; readonly write: readonly string[] };

const own = 'own/**';
export const places = ['own/x', 'own/y', 'a/1/x', 'a/1/y', 'a/2/x', 'b/1', 'b/2', 'c'] as const;
export const parts = ['a/**', 'a/1/**', 'a/*/x', 'b/**', 'b/1', 'c'] as const;
/** What is held all the time. */
export const always: readonly string[] = [own];
const levels: readonly Rights[] = [
  { read: [own, 'a/**', 'b/**', 'c'], write: [own, 'a/**', 'b/**'] },
  { read: [own, 'a/**'], write: [own, 'a/1/**'] },
  { read: [own, 'b/1', 'c'], write: [own] },
  { read: [own, 'a/1/**', 'b/**'], write: ['a/**', 'b/**'] },
  { read: [], write: [] },
];
/** The first of them, and the one in which nothing is left. */
export const everything = 0;
export const nothing: number = levels.length - 1;

/** Within this time a change of rights has taken effect (stores.md §11.3). */
export const rightsMs = 5000;

type Grant = { readonly at: number; readonly level: number };

/** The rights of one person, one after the other. */
export class Grants {
  #all: readonly Grant[] = [{ at: 0, level: everything }];

  get level(): number {
    return this.#all.at(-1)?.level ?? nothing;
  }

  give(level: number, at: number): void {
    if (level !== this.level) this.#all = [...this.#all, { at, level: level % levels.length }];
  }

  /** Rules of the present, or of some time ago. */
  rulesAt(time: number): readonly PathRule[] {
    const { read, write } = rightsOf(this.#all.findLast(({ at }) => at <= time) ?? this.#all[0]);
    return [
      ...read.map((pattern) => ({ pattern, allow: ['read'] as const })),
      ...write.map((pattern) => ({ pattern, allow: ['write'] as const })),
    ];
  }

  /** What may be read now. */
  get readable(): readonly Pattern[] {
    return parsed(rightsOf(this.#all.at(-1)).read);
  }

  mayRead(path: Path): boolean {
    return coversPath(this.readable, path);
  }

  /** Whether all of a part could be read since a time. */
  hadSince(part: Pattern, time: number): boolean {
    const since = this.#all.findLastIndex(({ at }) => at <= time);
    return this.#all
      .slice(Math.max(0, since))
      .every((grant) => parsed(rightsOf(grant).read).some((one) => containsScope(one, part)));
  }
}

function rightsOf(grant: Grant | undefined): Rights {
  return levels[grant?.level ?? nothing] ?? { read: [], write: [] };
}
