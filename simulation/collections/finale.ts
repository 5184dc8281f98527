import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { type Card, ids, storeName } from './card.ts';
import { type Asked, type Cards, freshOf, overlaid } from './fresh.ts';
import { rightsMs, seenOf } from './judge.ts';
import type { Member } from './member.ts';
import { asksOf, cardsStored, eyesOf, leftIn, settle } from './settled.ts';
import type { Pen } from './script.ts';
import { write } from './script.ts';
import { textOf } from '../text.ts';

const stillMs = 45_000;
/** Longer than whatever nobody uses is kept. */
const releaseMs = 90_000;
/** Longer than it takes to hear what became of a write. */
const answerMs = 3000;
/** Nothing has this revision. */
const noRevision = 1_000_000_000;
const lastWrites = 4;

type FinaleOptions = { readonly pen: Pen; readonly dice: Dice; readonly grant: () => void };

/**
 * What comes when the weather has cleared: everybody shows what is there, right after each commit; what rights hide is gone;
 * what is written without a connection lies over it; and nothing is left of what nobody looks at.
 */
export class Finale {
  readonly #world: World;
  readonly #members: readonly Member[];
  readonly #options: FinaleOptions;

  constructor(world: World, members: readonly Member[], options: FinaleOptions) {
    this.#world = world;
    this.#members = members;
    this.#options = options;
  }

  async play(): Promise<void> {
    const world = this.#world;
    await settle(world, this.#members, 'in the end');
    // What the worst network has held back has come by then, or never will.
    await world.sleep(stillMs);
    this.#options.grant();
    await world.sleep(2 * rightsMs);
    await settle(world, this.#members, 'under other rights');
    for (let count = 0; count < lastWrites; count++) {
      const [, , owner] = this.#members;
      if (owner !== undefined) write(owner, count % 3 === 0 ? 'whole' : 'set', this.#options);
      await settle(world, this.#members, 'after a commit');
    }
    await this.#restart();
    await this.#write();
    await this.#writeInVain();
    await this.#release();
  }

  /** Whoever starts again on what its cache has finds nothing there that it may not see. */
  async #restart(): Promise<void> {
    const world = this.#world;
    const cards = await cardsStored(world);
    for (const member of this.#members) {
      if (member.options.durable === false) continue;
      member.device.cutOff(true);
      world.crash(member.device.name);
      await world.sleep(500);
      const visible = seenOf(cards, eyesOf(member));
      for (const problem of leftIn(member, visible, 'started again')) world.problem(problem);
      member.device.cutOff(false);
    }
    await settle(world, this.#members, 'after a restart');
  }

  /** Everybody writes without a connection. */
  async #write(): Promise<void> {
    const world = this.#world;
    const cards = await cardsStored(world);
    const asks = new Map(
      this.#members.map((each) => [
        each,
        new Map(each.openNow.map(([, open]) => [open, asksOf(each, open)] as const)),
      ]),
    );
    const writers = this.#members.filter(({ options }) => options.isNewer !== true);
    for (const { device } of this.#members) device.cutOff(true);
    for (const member of writers) this.#scribble(member, seenOf(cards, eyesOf(member)));
    await world.sleep(100);
    for (const member of writers) {
      const visible = seenOf(cards, eyesOf(member));
      for (const [question, open] of member.openNow) {
        const shown = textOf(member.rowsOf(open));
        const wanted = (asks.get(member)?.get(open) ?? []).map((asked) =>
          textOf(this.#overlay(member, visible, asked)),
        );
        if (wanted.includes(shown)) continue;
        const written = textOf([...member.pending]);
        world.problem(
          `overlaid: ${member.subject} shows of "${question.name}" ${shown} instead of ${wanted[0]}, after ${written}`,
        );
      }
    }
    for (const { pending, device } of this.#members) {
      pending.clear();
      device.cutOff(false);
      device.cut();
    }
    await settle(world, this.#members, 'after what was written');
  }

  /** Those who have all cards write what is refused, over the connection that there is: with another one all is looked at anew. */
  async #writeInVain(): Promise<void> {
    const world = this.#world;
    for (const member of this.#members.filter(({ options }) => options.holding === 'whole')) {
      this.#repeat(member, await cardsStored(world));
      await world.sleep(answerMs);
      for (const [question, open] of member.openNow) {
        const shown = member.rowsOf(open);
        if (shown.every(([, , pending]) => pending === 0)) continue;
        const of = `${member.subject} shows of "${question.name}" ${textOf(shown)}`;
        world.problem(`counted: ${of}, with ${member.standing?.pending} writes pending`);
      }
    }
    await settle(world, this.#members, 'after what was refused');
  }

  /** Changes a card, and writes behind that what is so already, and is refused: only the answer ends it. */
  #repeat(member: Member, cards: Cards): void {
    const rows = member.openNow.flatMap(([, open]) => member.rowsOf(open).map(([id]) => id));
    const [first] = rows;
    if (first === undefined) return;
    const { pen, dice } = this.#options;
    member
      .record(first)
      .patch(pen.patch(dice, member.subject))
      .committed.catch(() => undefined);
    for (const id of new Set(rows)) {
      const { tag } = cards.get(id) ?? {};
      if (tag === undefined) continue;
      member.device
        .store(storeName)
        .put(`cards/${id}/tag`, tag, { ifMatch: noRevision })
        .committed.catch(() => undefined);
    }
  }

  #scribble(member: Member, visible: Cards): void {
    const { dice, pen } = this.#options;
    const note = (id: string, card: Card | null): void => {
      const { count = 0 } = member.pending.get(id) ?? {};
      member.pending.set(id, { card, count: count + 1 });
    };
    const shown = new Set(
      member.openNow.flatMap(([, open]) => member.rowsOf(open).map(([id]) => id)),
    );
    const [gone, changed] = [...shown].toSorted(() => dice.next() - 0.5);
    // Of what nobody here has ever seen it is not known what a field that is set makes of it.
    const made = ids.find(
      (id) => id !== gone && id !== changed && (shown.has(id) || member.holds(id)),
    );
    if (made !== undefined) {
      const { note: _, ...card } = pen.card(dice, member.subject);
      member
        .record(made)
        .set(card)
        .committed.catch(() => undefined);
      note(made, card);
    }
    if (gone !== undefined) {
      member
        .record(gone)
        .remove()
        .committed.catch(() => undefined);
      note(gone, null);
    }
    if (changed === undefined) return;
    const { n } = visible.get(changed) ?? {};
    const patch = { n: n === undefined ? 1 : n + 1 };
    member
      .record(changed)
      .patch(patch)
      .committed.catch(() => undefined);
    note(changed, { ...visible.get(changed), ...patch });
  }

  #overlay(member: Member, visible: Cards, asked: Asked): unknown {
    const all = new Map(visible);
    for (const [id, { card }] of member.pending) {
      if (card === null) all.delete(id);
      else all.set(id, card);
    }
    const found = member.holdsAll
      ? freshOf(all, asked).ids
      : overlaid(visible, asked, member.pending);
    return found.map((id) => [id, all.get(id), member.pending.get(id)?.count ?? 0]);
  }

  /** Nobody looks any more. */
  async #release(): Promise<void> {
    for (const member of this.#members) member.closeAll();
    await this.#world.sleep(releaseMs);
    const { queries = 0 } = this.#world.site.server?.describe() ?? {};
    if (queries > 0) this.#world.problem(`released: ${queries} queries are still evaluated`);
  }
}
