import type { Path } from '@holdfast/protocol';
import { type Principal, type Scope, scopes } from '@holdfast/server';
import { coversPath, parsed } from '../parts/border.ts';
import type { Dice } from '../src/dice.ts';
import { guardedBy, guardedPrefix } from '../validators/leases.ts';

/** What somebody may do, in whichever way that is said. */
type Licence = {
  readonly isUnknown?: true;
  readonly isOutside?: true;
  readonly lacks?: Scope;
  readonly read?: readonly string[];
  readonly write?: readonly string[];
};

/** Where what is computed once for all is kept, and the locks that belong to it. */
export const madePrefix = 'made/';
const made = [`${madePrefix}**`];
const flights = ['_dust:sf/**'];
const fenced = [`${guardedPrefix}**`];
const all: Licence = {};
const some: readonly Licence[] = [
  { isUnknown: true },
  { isOutside: true },
  { lacks: 'entries:write' },
  { lacks: 'entries:read' },
  { read: ['**'], write: fenced },
  // The locks may be taken, and not read.
  { read: [...fenced, ...made], write: ['**'] },
  { read: [guardedBy, ...fenced], write: [guardedBy, ...fenced, ...flights] },
  { read: [], write: [] },
];

/** Within this time a change of rights has taken effect (stores.md §11.3). */
const rightsMs = 5000;

/** What one person may do, one licence after the other. */
export class Licences {
  readonly #all: { readonly at: number; readonly licence: Licence }[] = [{ at: 0, licence: all }];

  /** Other rights, or all of them. */
  change(at: number, dice: Dice): void {
    this.#all.push({ at, licence: dice.chance(0.4) ? all : dice.pick(some) });
  }

  giveAll(at: number): void {
    this.#all.push({ at, licence: all });
  }

  /** Whom a token lets in; null: nobody. */
  principal(subject: string, at: number): Principal | null {
    const { isUnknown, isOutside, lacks, read, write } = this.#at(at);
    if (isUnknown === true) return null;
    const rules = [
      ...(read ?? []).map((pattern) => ({ pattern, allow: ['read'] as const })),
      ...(write ?? []).map((pattern) => ({ pattern, allow: ['write'] as const })),
    ];
    return {
      subject,
      orgs: isOutside === true ? [] : ['acme'],
      scopes: new Set(scopes.filter((scope) => scope !== 'admin' && scope !== lacks)),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
      ...(read !== undefined && { pathRules: rules }),
    };
  }

  /** Whether a path might be written just then: what was allowed until then may still be. */
  mightWrite(path: Path, at: number): boolean {
    const lately = this.#all.filter((each) => each.at > at - rightsMs && each.at <= at);
    return [this.#at(at - rightsMs), ...lately.map(({ licence }) => licence)].some((licence) =>
      mayWrite(licence, path),
    );
  }

  #at(time: number): Licence {
    return this.#all.findLast(({ at }) => at <= time)?.licence ?? all;
  }
}

function mayWrite({ isUnknown, isOutside, lacks, write }: Licence, path: Path): boolean {
  if (isUnknown === true || isOutside === true || lacks === 'entries:write') return false;
  return write === undefined || coversPath(parsed(write), path);
}
