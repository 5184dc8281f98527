import type { Dice } from '../src/dice.ts';
import { type Step as StepOf, stepsOf, weighed } from '../steps.ts';
import { type Card, ids, questions, storeName, tags } from './card.ts';
import type { Member } from './member.ts';

/** How often each deed is done, in a hundred. */
const weights = {
  set: 20,
  patch: 24,
  increment: 10,
  remove: 8,
  transact: 8,
  whole: 4,
  page: 7,
  more: 8,
  reopen: 4,
  switch: 4,
  grant: 3,
} as const;

/** Something that somebody does. */
export type Deed = keyof typeof weights | 'recreate';
export type Step = StepOf<Deed>;

export const lengthMs = 15_000;
const lengths = [1, 100, 12_000];

/** Makes up cards, each write with a mark and a note of its own. */
export class Pen {
  /** Who wrote a mark or a note. */
  readonly authors: Map<string, string> = new Map();
  #count = 0;

  card(dice: Dice, author: string): Card {
    return {
      n: dice.below(20),
      tag: dice.pick(tags),
      room: dice.chance(0.25) ? 'closed' : 'open',
      owner: dice.pick(['ann', 'bob', 'gus']),
      text: 'x'.repeat(dice.pick(lengths)),
      ...this.#marks(author, ['mark', 'note']),
    };
  }

  patch(dice: Dice, author: string): Card {
    const { n, tag, room, owner, text } = this.card(dice, author);
    const some = dice.pick([{ n }, { tag }, { room }, { owner }, { n, tag }, { text }]) as Card;
    return { ...some, ...this.#marks(author, [dice.pick(['mark', 'note'])]) };
  }

  #marks(author: string, fields: readonly ('mark' | 'note')[]): Pick<Card, 'mark' | 'note'> {
    this.#count += 1;
    const marks = fields.map((field) => [field, `${field === 'mark' ? 'm' : 's'}${this.#count}`]);
    for (const [, token = ''] of marks) this.authors.set(token, author);
    return Object.fromEntries(marks) as Pick<Card, 'mark' | 'note'>;
  }
}

/** Has somebody write. */
export function write(member: Member, does: Deed, { pen, dice }: { pen: Pen; dice: Dice }): void {
  const { subject } = member;
  const id = dice.pick(ids);
  const record = member.record(id);
  const { client } = member.device;
  if (does === 'set') forget(record.set(pen.card(dice, subject)));
  else if (does === 'patch') forget(record.patch(pen.patch(dice, subject)));
  else if (does === 'increment') forget(record.increment('n', dice.below(9) - 4));
  else if (does === 'remove') forget(record.remove());
  else if (does === 'transact') {
    const other = member.record(dice.pick(ids.filter((each) => each !== id)));
    forget(
      client.transact((tx) => {
        tx.record(record).set(pen.card(dice, subject));
        if (dice.chance(0.5)) tx.record(other).patch(pen.patch(dice, subject));
        else tx.record(other).remove();
      }),
    );
  } else if (does === 'whole') {
    // Who does not hold them all writes unseen.
    const scope = member.options.holding === 'whole' ? ['**'] : [];
    const store = client.store(storeName, { scope });
    const some = ids.filter(() => dice.chance(0.6));
    const cards = Object.fromEntries(some.map((each) => [each, { ...pen.card(dice, subject) }]));
    forget(dice.chance(0.3) ? store.delete('cards') : store.put('cards', cards));
    store.close();
  }
}

/** Has somebody look at something else. */
export function turn(member: Member, does: Deed, dice: Dice): void {
  const question = dice.pick(questions);
  if (does === 'page') member.page(question);
  else if (does === 'more') member.widen(question);
  else if (does === 'reopen') member.open(question);
  else if (does === 'switch') member.switch();
}

function forget(receipt: { readonly committed: Promise<unknown> }): void {
  receipt.committed.catch(() => undefined);
}

/** What everybody does. */
export function scriptOf(dice: Dice): readonly Step[] {
  const count = 70 + dice.below(70);
  const deeds = weighed(weights);
  const steps = stepsOf<Deed>(dice, { count, lengthMs, deeds, people: 60 });
  const anew: Step = { at: dice.below(lengthMs), does: 'recreate', who: 0, roll: dice.below(2000) };
  return (dice.chance(0.25) ? [...steps, anew] : steps).toSorted((a, b) => a.at - b.at);
}
