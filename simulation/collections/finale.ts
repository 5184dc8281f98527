import { asStoreName } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { type Card, type Eyes, ids, storeName } from './card.ts';
import { type Asked, type Cards, freshOf, overlaid } from './fresh.ts';
import { rightsMs, seenOf } from './judge.ts';
import type { Member } from './member.ts';
import { edgeIn, tokens } from './reader.ts';
import type { Pen } from './script.ts';
import { write } from './script.ts';
import { textOf } from '../text.ts';

const stillMs = 45_000;
const patienceMs = 60_000;
/** Longer than whatever nobody uses is kept. */
const releaseMs = 90_000;
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
    await this.#settle('in the end');
    // What the worst network has held back has come by then, or never will.
    await world.sleep(stillMs);
    this.#options.grant();
    await world.sleep(2 * rightsMs);
    await this.#settle('under other rights');
    for (let count = 0; count < lastWrites; count++) {
      const [, , owner] = this.#members;
      if (owner !== undefined) write(owner, count % 3 === 0 ? 'whole' : 'set', this.#options);
      await this.#settle('after a commit');
    }
    await this.#restart();
    await this.#write();
    await this.#release();
  }

  /** Everybody shows what somebody finds who looks through everything afresh. */
  async #settle(when: string): Promise<void> {
    const world = this.#world;
    await world.rest();
    const until = world.now + patienceMs;
    while (this.#members.some((each) => !isReady(each)) && world.now < until) {
      await world.sleep(100);
    }
    const cards = await cardsStored(world);
    for (const member of this.#members) {
      const visible = seenOf(cards, eyesOf(member));
      for (const [question, open] of member.openNow) {
        const { hasMore, endCursor, status } = open.handle.state.get();
        const end = endCursor === null ? null : edgeIn(endCursor);
        const shown = textOf([member.rowsOf(open), hasMore, end, status]);
        const wanted = asksOf(member, open).map((asked) => {
          const found = freshOf(visible, asked);
          const rows = rowsOf(member, found.ids, visible);
          return textOf([rows, found.hasMore, found.end, 'ok']);
        });
        if (wanted.includes(shown)) continue;
        world.problem(
          `converged: ${when}, ${member.subject} shows of "${question.name}" ${shown} instead of ${wanted[0]}`,
        );
      }
      this.#search(member, visible, when);
    }
  }

  /** Nothing is left in a client of what it may not see any more. */
  #search(member: Member, visible: Cards, when: string): void {
    const isWhole = member.options.holding === 'whole';
    const text = JSON.stringify([
      isWhole && member.device.store(storeName).entries('**', { limit: 1000 }).items,
      member.openNow.map(([, { handle }]) => handle.get()),
    ]);
    const allowed = tokensIn(JSON.stringify([...visible]));
    for (const token of tokensIn(text)) {
      if (allowed.has(token)) continue;
      this.#world.problem(`hidden: ${when}, ${member.subject} still has ${token}: ${text}`);
    }
  }

  /** Whoever starts again on what its cache has finds nothing there that it may not see. */
  async #restart(): Promise<void> {
    const world = this.#world;
    const cards = await cardsStored(world);
    for (const member of this.#members) {
      if (member.options.durable === false) continue;
      member.device.cutOff(true);
      world.crash(member.subject);
      await world.sleep(500);
      this.#search(member, seenOf(cards, eyesOf(member)), 'started again');
      member.device.cutOff(false);
    }
    await this.#settle('after a restart');
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
    await this.#settle('after what was written');
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

type Open = Member['openNow'][number][1];

function asksOf(member: Member, open: Open): readonly Asked[] {
  const asks = member.askedOf(open);
  return member.holdsAll ? asks : (member.reader.lastOf(asks)?.asked ?? asks);
}

function eyesOf({ subject, options }: Member): Eyes {
  const rights = options.granted.at(-1)?.rights;
  if (rights === undefined) throw new Error(`${subject} has no rights`);
  return { subject, rights };
}

function isReady(member: Member): boolean {
  const isHere = member.options.holding !== 'whole' || member.holdsAll;
  if (member.standing?.phase !== 'live' || !isHere) return false;
  return member.openNow.every(([, { handle }]) => {
    const { ready, status } = handle.state.get();
    return ready && status === 'ok';
  });
}

function rowsOf(member: Member, found: readonly string[], cards: Cards): unknown {
  return found.flatMap((id) => {
    const card = member.reads(cards.get(id) ?? {});
    return card === null ? [] : [[id, card, 0]];
  });
}

function tokensIn(text: string): ReadonlySet<string> {
  return new Set(Array.from(text.matchAll(tokens), ([, token = '']) => token));
}

/** What is stored. */
async function cardsStored(world: World): Promise<Cards> {
  const row = await world.storage.stores.find(asStoreName(storeName));
  const cards = new Map<string, { [field: string]: unknown }>();
  for await (const { entries } of world.storage.load(row?.id ?? '')) {
    for (const { path, value } of entries) {
      const [top, id = '', field] = path.split('/');
      if (top !== 'cards') continue;
      const card = cards.get(id) ?? {};
      cards.set(id, card);
      if (field !== undefined) card[field] = value;
    }
  }
  return cards;
}
