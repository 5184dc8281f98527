import type { DeadLetter, Receipt } from '@holdfast/client';
import type { Op, OpId } from '@holdfast/protocol';
import type { Truth } from '../validators/truth.ts';

/** A write of somebody, whichever of the pages decides about it. */
export type Made = {
  readonly opId: OpId;
  /** What was asked for under its id, first and edited. */
  readonly values: unknown[];
  /** Those that pages live who have them. */
  readonly receipts: Receipt[];
  /** It has been in the cache, and has to be there until it is decided. */
  isDurable: boolean;
  /** Somebody was told that it is refused, or has given it up: where another page still lists it, it is nobody's any more. */
  isOver: boolean;
  /** How often it was asked for again. */
  retries: number;
  /** When it was taken back, which no one may undo. */
  takenBackAt: number | null;
};

/** All writes of one person in all pages. */
export class Fates {
  readonly #made = new Map<OpId, Made>();

  get count(): number {
    return this.#made.size;
  }

  all(): readonly Made[] {
    return [...this.#made.values()];
  }

  of(opId: OpId): Made | undefined {
    return this.#made.get(opId);
  }

  /**
   * A write is made, or asked for again; `isAwaited`: who made it hears how it ends; `isHeard`: whether its page is still
   * there to be told anything.
   */
  made(
    receipt: Receipt,
    value: unknown,
    { isAwaited, isHeard }: { readonly isAwaited: boolean; readonly isHeard: () => boolean },
  ): Made {
    const { opId } = receipt;
    const made: Made = this.#made.get(opId) ?? {
      opId,
      values: [],
      receipts: [],
      isDurable: false,
      isOver: false,
      retries: -1,
      takenBackAt: null,
    };
    this.#made.set(opId, made);
    made.values.push(value);
    made.receipts.push(receipt);
    made.retries += 1;
    made.takenBackAt = null;
    receipt.durable.then(
      () => (made.isDurable ||= isHeard()),
      () => undefined,
    );
    if (isAwaited) receipt.committed.catch(() => (made.isOver = true));
    return made;
  }
}

/** What is wrong with them: each is committed once as it was asked for, or a letter, or over. */
export function wrongIn(
  fates: Fates,
  truth: Truth,
  letters: ReadonlyMap<OpId, DeadLetter>,
): readonly string[] {
  const unknown = [...letters.keys()].filter((opId) => fates.of(opId) === undefined);
  return [
    ...unknown.map((opId) => `known: nobody made ${opId}`),
    ...fates.all().flatMap((made) => wrongWith(made, truth, letters.get(made.opId))),
  ];
}

function wrongWith(made: Made, truth: Truth, letter: DeadLetter | undefined): readonly string[] {
  const { opId, receipts } = made;
  const found = truth.of(opId);
  const seqs = new Set(found.map(({ seq }) => seq));
  const untrue = receipts.flatMap(({ outcome }) =>
    outcome?.status === 'committed' && !seqs.has(outcome.seq) ? [outcome.seq] : [],
  );
  const wrong = {
    [`once: ${opId} was committed ${found.length} times`]: found.length > 1,
    [`once: ${opId} was acknowledged at ${untrue.join(', ')}, and is not there`]: untrue.length > 0,
    ...(found.length === 0 ? lost(made, letter) : unlike(made, found, letter)),
  };
  return Object.entries(wrong).flatMap(([text, isSo]) => (isSo ? [text] : []));
}

type Verdict = { readonly [text: string]: boolean };

function lost({ opId, isDurable, isOver }: Made, letter: DeadLetter | undefined): Verdict {
  return { [`kept: ${opId} is nowhere`]: letter === undefined && isDurable && !isOver };
}

/** Where several have asked for the same again, each may have had another answer. */
function unlike(
  { opId, values, retries, takenBackAt }: Made,
  found: readonly Op[],
  letter: DeadLetter | undefined,
): Verdict {
  const code = letter?.refusal.code ?? 'outcome_unknown';
  const isOne = retries < 2;
  return {
    [`known: ${opId} was committed as ${JSON.stringify(found)}`]: found.some(
      ({ value }) => !values.includes(value),
    ),
    [`taken: ${opId} was taken back, and is committed`]: isOne && takenBackAt !== null,
    [`dead: ${opId} is a letter (${code}), and committed`]: isOne && code !== 'outcome_unknown',
  };
}
