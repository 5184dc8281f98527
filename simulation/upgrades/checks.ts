import type { DeadLetter } from '@holdfast/client';
import type { OpId, Seq } from '@holdfast/protocol';
import { Truth } from '../validators/truth.ts';
import type { Ledger, Made } from './ledger.ts';
import type { UpgradeMutant } from './mutants.ts';

/** What became of the writes of one installation. */
export type Fates = {
  readonly ledger: Ledger;
  readonly letters: ReadonlyMap<OpId, DeadLetter>;
  /** The log of each state of the store that there was, by its incarnation. */
  readonly truths: ReadonlyMap<string, Truth>;
};

/** What is wrong with them: each is committed, or kept as a letter, or was refused to somebody's face. */
export function wrongIn({ ledger, letters, truths }: Fates): readonly string[] {
  const unknown = [...letters.keys()].filter((opId) => ledger.of(opId) === undefined);
  const present = [...truths.keys()].at(-1) ?? '';
  return [
    ...unknown.map((opId) => `known: nobody made ${opId}`),
    ...[...ledger.all()].flatMap((made) => {
      const found = new Map(
        [...truths].flatMap(([of, truth]) => {
          const seq = truth.of(made.opId).at(-1)?.seq;
          return seq === undefined ? [] : [[of, seq] as const];
        }),
      );
      const letter = letters.get(made.opId);
      return [
        lost(made, found, letter),
        untold(made, found),
        undead(made, { found, letter, present }),
        stale(made, found),
      ]
        .filter((text) => text !== null)
        .map((text) => text.replace(':', `: ${made.opId}`));
    }),
  ];
}

/** The same as it is told of in a world that is spoiled. */
export function misreported({ ledger, letters, truths }: Fates, spoils: Spoils): Fates {
  return {
    ledger,
    letters: misreadLetters(ledger, letters, spoils),
    truths: misreadLogs(ledger, truths, spoils),
  };
}

type Spoils = (mutant: UpgradeMutant) => boolean;

function misreadLetters(ledger: Ledger, all: Fates['letters'], spoils: Spoils): Fates['letters'] {
  const letters = new Map(all);
  const done = [...ledger.all()].find(({ receipt }) => receipt?.outcome?.status === 'committed');
  for (const [opId, letter] of all) {
    if (spoils('a letter gets lost')) letters.delete(opId);
    if (spoils('a letter comes from nowhere')) letters.set(`${opId}0`, letter);
    if (done === undefined || letter.refusal.code === 'outcome_unknown') continue;
    if (spoils('what is committed is a letter, too')) letters.set(done.opId, letter);
  }
  return letters;
}

function misreadLogs(ledger: Ledger, all: Fates['truths'], spoils: Spoils): Fates['truths'] {
  const none = new Truth([]);
  if (spoils('a write gets lost that was acknowledged')) return new Map([['', none]]);
  const guarded = [...ledger.all()].filter(({ isGuarded }) => isGuarded);
  const moved = guarded.filter(() => spoils('a guard is forgotten'));
  const another = moved.map(({ incarnation }) => all.get(incarnation ?? '') ?? none);
  return new Map([...all, ...another.map((truth) => ['another', truth] as const)]);
}

type Found = ReadonlyMap<string, Seq>;

/** Where a write came to: `present` is the state that the store is in. */
type Where = {
  readonly found: Found;
  readonly letter: DeadLetter | undefined;
  readonly present: string;
};

function lost(
  { isLost, isOver, isDurable, receipt }: Made,
  found: Found,
  letter: DeadLetter | undefined,
): string | null {
  const isRefused = receipt?.outcome?.status === 'refused';
  const isToBe = (isDurable || isRefused) && !isLost && !isOver;
  return isToBe && found.size === 0 && letter === undefined ? 'kept: is nowhere' : null;
}

function untold({ receipt }: Made, found: Found): string | null {
  const { outcome = null } = receipt ?? {};
  if (outcome?.status !== 'committed' || [...found.values()].includes(outcome.seq)) return null;
  return `once: was acknowledged at seq ${outcome.seq}, and is not there`;
}

/**
 * Of what may have been committed nobody knows; what went with a former state of the store may not be asked for again, or
 * was, edited, and then refused by the present one.
 */
function undead({ isRetried }: Made, { found, letter, present }: Where): string | null {
  if (letter === undefined || found.size === 0) return null;
  const { code } = letter.refusal;
  const isGone = (code === 'stale_incarnation' || isRetried) && !found.has(present);
  return code === 'outcome_unknown' || isGone ? null : `dead: is a letter (${code}), and committed`;
}

/** A guard rests on the state of the store that it was made on. */
function stale({ isGuarded, isRetried, incarnation }: Made, found: Found): string | null {
  if (!isGuarded || isRetried || incarnation === null) return null;
  const others = [...found.keys()].filter((of) => of !== incarnation);
  return others.length === 0
    ? null
    : `stale: was made on ${incarnation}, and is in ${others.join(' ')}`;
}
