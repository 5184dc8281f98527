import { asPath, isObject, type Seq } from '@holdfast/protocol';
import type { Logged } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';
import { type Card, type Eyes, ids, type Rights, seen } from './card.ts';
import { type Asked, type Cards, type Found, freshOf } from './fresh.ts';
import { type Delivered, type Sight, tells, type Told } from './reader.ts';

/** Rights, and since when somebody has them. */
export type Granted = { readonly at: number; readonly rights: Rights };

/** Whoever is judged: by its name, and what it may see in the course of time. */
export type Viewer = { readonly subject: string; readonly granted: readonly Granted[] };

/** A place in the history of a store. */
type Commit = { readonly incarnation: string; readonly seq: Seq };

/** Within this time a change of rights has taken effect (stores.md §11.3). */
export const rightsMs = 5000;
/** The same where the way to the client is as slow as it gets. */
const stormMs = 40_000;
/** Within this time whoever reads the log has read it, where nothing is late. */
const readMs = 5000;

const nothing: Cards = new Map();

/** What really was committed, and what everybody had to be shown of it. */
export class Judge {
  readonly #states = new Map<string, ReadonlyMap<Seq, Cards>>();
  readonly #heads = new Map<string, Seq>();
  /** When each was stored. */
  readonly #times = new Map<string, ReadonlyMap<Seq, number>>();
  readonly #found = new Map<string, Found>();
  /** Each card that had a mark or note, with its id, as it was after a commit that left it there. */
  readonly #marked = new Map<string, { readonly id: string; readonly card: Card }[]>();
  readonly #calmAt: number;

  /** `calmAt`: from when on nothing is late. */
  constructor(logs: ReadonlyMap<string, readonly Logged[]>, calmAt: number) {
    this.#calmAt = calmAt;
    for (const [incarnation, log] of logs) {
      const truth = new Truth(log.map(({ op }) => op));
      const states = new Map<Seq, Cards>([[0, nothing]]);
      const trees = truth.statesAt(truth.commits.map(({ last }) => last));
      for (const [seq, tree] of trees) {
        const cards = new Map(
          ids.flatMap((id) => {
            const value = tree.read(asPath(`cards/${id}`))?.value;
            return isObject(value) ? [[id, value] as const] : [];
          }),
        );
        states.set(seq, cards);
        this.#note(cards);
      }
      this.#states.set(incarnation, states);
      this.#heads.set(incarnation, truth.head);
      this.#times.set(incarnation, new Map(log.map(({ op, at }) => [op.seq, at])));
    }
  }

  /** What somebody may see of a state of the store; undefined: there was none. */
  cardsAt(incarnation: string, seq: Seq, eyes: Eyes): Cards | undefined {
    const cards = this.#states.get(incarnation)?.get(seq);
    return cards && seenOf(cards, eyes);
  }

  /**
   * Whether a field of a card has become somebody's to see lately, or is no more: what a commit shows or hides comes behind
   * it (records.md §17), and late where the way is slow.
   */
  hasTurned(
    { incarnation, seq, at }: Commit & { readonly at: number },
    eyes: Eyes,
    { id, field }: { readonly id: string; readonly field: string },
  ): boolean {
    const since = at - this.#lateMs(at);
    let last: boolean | null = null;
    for (const [each, cards] of this.#states.get(incarnation) ?? []) {
      if (each > seq) return false;
      const card = { ...cards.get(id), [field]: '' };
      const isSeen = Object.hasOwn(seen(id, card, eyes) ?? {}, field);
      const isLate = (this.#times.get(incarnation)?.get(each) ?? 0) > since;
      if (isLate && last !== null && isSeen !== last) return true;
      last = isSeen;
    }
    return false;
  }

  headOf(incarnation: string): Seq {
    return this.#heads.get(incarnation) ?? 0;
  }

  fresh(at: Commit, eyes: Eyes, asked: Asked): Found | undefined {
    const { question, limit, after } = asked;
    const key = JSON.stringify([at.incarnation, at.seq, eyes, question.name, limit, after]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const cards = this.cardsAt(at.incarnation, at.seq, eyes);
    if (cards === undefined) return undefined;
    const found = freshOf(cards, asked);
    this.#found.set(key, found);
    return found;
  }

  /** The rights that may hold for what comes at a time. */
  eyesAt({ subject, granted }: Viewer, at: number): readonly Eyes[] {
    const last = granted.findLastIndex((each) => each.at <= at - this.#lateMs(at));
    return granted
      .slice(Math.max(0, last))
      .filter((each) => each.at <= at)
      .map(({ rights }) => ({ subject, rights }));
  }

  /** How late somebody may be told at a time. */
  #lateMs(at: number): number {
    return Math.max(rightsMs, Math.min(stormMs, this.#calmAt + stormMs - at));
  }

  /** Whether a maintained set is what somebody finds who looks through everything afresh. */
  isFresh(viewer: Viewer, sight: Sight): boolean {
    const { at, asked, ids: rows, hasMore, end } = sight;
    const text = JSON.stringify([rows, hasMore, end]);
    return this.eyesAt(viewer, at).some((eyes) =>
      asked.some((each) => {
        const found = this.fresh(sight, eyes, each);
        if (found === undefined) return false;
        const foundEnd = end === undefined ? undefined : found.end;
        return JSON.stringify([found.ids, found.hasMore, foundEnd]) === text;
      }),
    );
  }

  /** What is wrong with the sets that one query was told of, in order; and those that another telling put right. */
  judge(
    who: string,
    viewer: Viewer,
    { sights, closedAt }: Told,
  ): { wrong: readonly string[]; excused: ReadonlySet<Sight> } {
    const excused = new Set<Sight>();
    const wrong: string[] = [];
    for (const [index, sight] of sights.entries()) {
      if (this.isFresh(viewer, sight)) continue;
      const rest = sights.slice(index + 1);
      const next = rest.find(tells);
      // Whoever reads the log meanwhile is told of the whole window when it has read it (records.md §14.4).
      const isToCome =
        next === undefined ? this.#isLeftUntold(sight, closedAt) : next.by === 'reset';
      const isPassed = this.#isPassed(viewer, sight, rest);
      const isBehind = !tells(sight) && (isToCome || isPassed);
      if (isBehind) excused.add(sight);
      else wrong.push(`fresh: ${who}: ${this.#describe(viewer, sight)}`);
    }
    return { wrong, excused };
  }

  /** Whoever has read the log, a moment later, says nothing of what is again as it was before. */
  #isPassed(viewer: Viewer, sight: Sight, rest: readonly Sight[]): boolean {
    const told = rest.findIndex(tells);
    const silent = told === -1 ? rest : rest.slice(0, told);
    return silent.some((each) => each.at - sight.at < readMs && this.isFresh(viewer, each));
  }

  /** Whether the reset that makes up for it need not have come: the connection was lost, or the query closed before. */
  #isLeftUntold({ at }: Sight, closedAt: number | null): boolean {
    return at < this.#calmAt || (closedAt !== null && closedAt - at < readMs);
  }

  /** Whether somebody may be told of a mark or a note. */
  mayHear(viewer: Viewer, { token, at }: Delivered): boolean {
    const cards = this.#marked.get(token) ?? [];
    const field = token.startsWith('m') ? 'mark' : 'note';
    return this.eyesAt(viewer, at).some((eyes) =>
      cards.some(({ id, card }) => seen(id, card, eyes)?.[field] === token),
    );
  }

  #describe(viewer: Viewer, sight: Sight): string {
    const [eyes] = this.eyesAt(viewer, sight.at).slice(-1);
    const [asked] = sight.asked;
    const found = eyes && asked && this.fresh(sight, eyes, asked);
    const { ids: rows, hasMore, end, at, by, seq } = sight;
    return `"${asked?.question.name}" at ${seq}, by ${by} at ${at.toFixed(0)} ms, is ${JSON.stringify({ rows, hasMore, end })} instead of ${JSON.stringify(found)}`;
  }

  #note(cards: Cards): void {
    for (const [id, card] of cards) {
      for (const token of [card.mark, card.note]) {
        if (token === undefined) continue;
        const known = this.#marked.get(token) ?? [];
        this.#marked.set(token, known);
        if (known.at(-1)?.card !== card) known.push({ id, card });
      }
    }
  }
}

/** What somebody sees of some cards. */
export function seenOf(cards: Cards, eyes: Eyes): Cards {
  return new Map(
    [...cards].flatMap(([id, card]) => {
      const shown = seen(id, card, eyes);
      return shown === undefined ? [] : [[id, shown] as const];
    }),
  );
}
