import { asStoreName } from '@holdfast/protocol';
import { waitWhile } from '../patience.ts';
import type { World } from '../src/world.ts';
import { textOf } from '../text.ts';
import { type Eyes, storeName } from './card.ts';
import { type Asked, type Cards, freshOf } from './fresh.ts';
import { seenOf } from './judge.ts';
import type { Member } from './member.ts';
import { edgeIn, tokens } from './reader.ts';

const patienceMs = 60_000;

/** Everybody shows what somebody finds who looks through everything afresh. */
export async function settle(
  world: World,
  members: readonly Member[],
  when: string,
): Promise<void> {
  await world.rest();
  const isLate = (): boolean => members.some((each) => !isReady(each));
  await waitWhile(world, isLate, { patienceMs, stepMs: 100 });
  const cards = await cardsStored(world);
  for (const member of members) {
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
        `converged: ${when}, ${member.options.name} shows of "${question.name}" ${shown} instead of ${wanted[0]}`,
      );
    }
    for (const problem of leftIn(member, visible, when)) world.problem(problem);
  }
}

/** What is left in a client of what it may not see any more: nothing. */
export function leftIn(member: Member, visible: Cards, when: string): readonly string[] {
  const isWhole = member.options.holding === 'whole';
  const text = JSON.stringify([
    isWhole && member.device.store(storeName).entries('**', { limit: 1000 }).items,
    member.openNow.map(([, { handle }]) => handle.get()),
  ]);
  const allowed = tokensIn(JSON.stringify([...visible]));
  return [...tokensIn(text)]
    .filter((token) => !allowed.has(token))
    .map((token) => `hidden: ${when}, ${member.options.name} still has ${token}: ${text}`);
}

type Open = Member['openNow'][number][1];

/** What a collection may be found by. */
export function asksOf(member: Member, open: Open): readonly Asked[] {
  const asks = member.askedOf(open);
  return member.holdsAll ? asks : (member.reader.lastOf(asks)?.asked ?? asks);
}

/** Who somebody is, and what it may see now. */
export function eyesOf({ subject, options }: Member): Eyes {
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
export async function cardsStored(world: World): Promise<Cards> {
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
