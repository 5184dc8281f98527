import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import type { ActionDefinition, ViewDefinition } from '@holdfast/engine/view';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Heard, Rig, type ViewClient } from './instance-rig.ts';

/*
 * Children that move within their list, go to the other one, end and come again, while things come into their streams
 * and what they load arrives: held against what a plain account of it says.
 */

/** Lets what is being loaded arrive, by the number of the load. */
type Waiting = Map<number, (value: unknown) => void>;

function cardOf(waiting: Waiting): ViewDefinition {
  const load = (_: unknown, n: unknown): Promise<unknown> =>
    new Promise((resolve) => {
      waiting.set(Number(n), resolve);
    });
  const actions: { readonly [name: string]: ActionDefinition } = {
    log: { run: (ctx, id) => ctx.stream('log').insert({ id }) },
    first: { run: (ctx, id) => ctx.stream('log').insert({ id }, { at: 0 }) },
    drop: { run: (ctx, id) => ctx.stream('log').delete({ id }) },
    profile: { run: (ctx, n) => ctx.async.start('profile', n) },
    list: { run: (ctx, n) => ctx.async.start('list', n) },
  };
  const card: ViewDefinition = {
    name: 'card',
    streams: { log: { limit: 3, retain: true }, found: { limit: 3, retain: true } },
    async: { profile: { stream: null, load }, list: { stream: 'found', load } },
    render: (_, h, ctx) => {
      const { depth } = ctx.params as { depth: number };
      const inside = depth === 0 ? null : h.child(card, 'in', { depth: depth - 1 });
      return { log: h.stream('log'), profile: h.async('profile'), list: h.async('list'), inside };
    },
    commands: actions,
    messages: actions,
  };
  return card;
}

/** Something that is said to a card. */
type Said = readonly [path: readonly string[], what: string, payload: number];

type Places = { readonly left: readonly string[]; readonly right: readonly string[] };

const boardOf = (card: ViewDefinition): ViewDefinition => ({
  name: 'board',
  scope: 'shared',
  mount: () => ({ left: ['a', 'b'], right: ['c'] }),
  render: (state, h) => {
    const place = (id: string): unknown => h.child(card, id, { depth: 1 });
    const { left, right } = state as Places;
    return { left: left.map(place), right: right.map(place) };
  },
  commands: {
    become: { run: (ctx, to) => ctx.update(to) },
    together: {
      run: (ctx, given) => {
        const { said, to } = given as { readonly said: readonly Said[]; readonly to: Places };
        for (const [path, what, payload] of said) ctx.tell(path, what, payload);
        ctx.update(to);
      },
    },
  },
});

type Load = { run: number; status: string; readonly data: readonly { id: number }[] };

/** What is to be seen of a card. */
class Card {
  log: { id: number }[] = [];
  readonly loads: { readonly profile: Load; readonly list: Load } = {
    profile: { run: 0, status: 'loading', data: [] },
    list: { run: 0, status: 'loading', data: [] },
  };

  take(what: string, id: number): void {
    const others = this.log.filter((item) => item.id !== id);
    if (what === 'log') this.log = [...others, { id }].slice(-3);
    else if (what === 'first') this.log = [{ id }, ...others].slice(0, 3);
    else this.log = others;
  }

  shown(inside: unknown): object {
    const { profile, list } = this.loads;
    return {
      log: this.log,
      profile: { status: profile.status, data: profile.data.at(-1) ?? null, error: null },
      list: { status: list.status, data: list.data.slice(-3), error: null },
      inside,
    };
  }
}

type Pending = { readonly n: number; readonly card: Card; readonly name: 'profile' | 'list' };

/** The cards of a board as they ought to be, each under its path. */
class Account {
  #places: Places = { left: ['a', 'b'], right: ['c'] };
  #cards = new Map<string, Card>();

  constructor() {
    this.become(this.#places);
  }

  become(places: Places): void {
    const paths = [
      ...places.left.map((id) => ['left', id]),
      ...places.right.map((id) => ['right', id]),
    ].flatMap((path) => [path, [...path, 'in']]);
    const keys = paths.map((path) => JSON.stringify(path));
    this.#cards = new Map(keys.map((key) => [key, this.#cards.get(key) ?? new Card()]));
    this.#places = places;
  }

  get paths(): string[][] {
    return [...this.#cards.keys()].map((key) => JSON.parse(key) as string[]);
  }

  at(path: readonly string[]): Card | undefined {
    return this.#cards.get(JSON.stringify(path));
  }

  get shown(): object {
    const listed = (list: 'left' | 'right'): unknown[] =>
      this.#places[list].map((id) => {
        const inside = this.at([list, id, 'in'])?.shown(null);
        return this.at([list, id])?.shown(inside);
      });
    return { left: listed('left'), right: listed('right') };
  }
}

const some = fc.shuffledSubarray(['a', 'b', 'c', 'd'], { minLength: 2 });
/** In one turn: loads arrive, some things are done, all move, and some more are done; by one command or by many. */
const round = fc.record({
  isTogether: fc.boolean(),
  lands: fc.array(fc.nat(5), { maxLength: 2, size: 'max' }),
  before: deeds(),
  to: fc.record({ left: some, right: some }),
  after: deeds(),
});
type Round = typeof round extends fc.Arbitrary<infer One> ? One : never;
type Deed = Round['before'][number];

function deeds() {
  const what = fc.constantFrom('log', 'log', 'first', 'drop', 'profile', 'list');
  return fc.array(fc.record({ what, at: fc.nat(20), id: fc.nat(4) }), {
    minLength: 1,
    maxLength: 6,
    size: 'max',
  });
}

/** A board that is being played with, and the account of it. */
class Play {
  readonly account = new Account();
  readonly #client: ViewClient;
  readonly #waiting: Waiting;
  #pending: Pending[] = [];
  #started: Pending[] = [];
  #count = 0;
  /** Who was there before the round: others cannot be sent anything yet. */
  #there: readonly string[][] = [];

  constructor(client: ViewClient, waiting: Waiting) {
    this.#client = client;
    this.#waiting = waiting;
  }

  /** All of it happens within one turn, which is left to the caller. */
  round({ isTogether, lands, before, to, after }: Round): void {
    this.#there = this.account.paths;
    const landed = lands.map((index) => this.#land(index));
    const first = before.flatMap((deed) => this.#do(deed, landed));
    this.account.become(to);
    const second = after.flatMap((deed) => this.#do(deed, landed));
    if (isTogether) void this.#client.send('together', { said: [...first, ...second], to });
    else {
      this.#send(first);
      void this.#client.send('become', to);
      this.#send(second);
    }
    this.#pending.push(...this.#started.splice(0));
  }

  #send(said: readonly Said[]): void {
    for (const [storeId, what, payload] of said) void this.#client.send(what, payload, { storeId });
  }

  #do({ what, at, id }: Deed, landed: readonly (Card | undefined)[]): Said[] {
    const path = this.#there[at % this.#there.length] ?? [];
    const card = this.account.at(path);
    if (card === undefined) return [];
    if (what !== 'profile' && what !== 'list') {
      card.take(what, id);
      return [[path, what, id]];
    }
    // Of a card whose load arrives in this very turn nothing says which of the two is first.
    if (landed.includes(card)) return [];
    const n = (this.#count += 1);
    Object.assign(card.loads[what], { run: n, status: 'loading' });
    this.#started.push({ n, card, name: what });
    return [[path, what, n]];
  }

  #land(index: number): Card | undefined {
    const [one] = this.#pending.splice(index % Math.max(1, this.#pending.length), 1);
    if (one === undefined) return undefined;
    const { n, card, name } = one;
    this.#waiting.get(n)?.(name === 'list' ? [{ id: n }] : { id: n });
    const load = card.loads[name];
    if (load.run === n) Object.assign(load, { status: 'ok', data: [...load.data, { id: n }] });
    return card;
  }
}

const rootId = 'board:main';

function take(mirror: Mirror, heard: readonly Heard[]): void {
  for (const { base, version, tail } of heard) {
    const told = { type: 'patch', root_id: rootId, base_version: base, version };
    expect(mirror.take({ ...told, ...tail.content })).not.toBeNull();
  }
}

function mirrorOf(heard: readonly Heard[]): Mirror {
  const mirror = new Mirror({ freeze: true });
  mirror.joined({ rootId, capver: 4, resumed: false });
  take(mirror, heard);
  return mirror;
}

/** Brings one up to date who was there up to the version of this mirror. */
function resume(rig: Rig, mirror: Mirror, id: number): void {
  const client = rig.attach({ id });
  const { tree = null, version } = mirror;
  client.leave(true);
  Object.assign(client, { tree, version });
  client.heard.length = 0;
  rig.attach({ id, resume: version });
  const { resumed } = rig.of('attached').at(-1) ?? {};
  mirror.joined({ rootId, capver: 4, resumed: resumed === true });
  take(mirror, client.heard);
}

const numRuns = Number(process.env['PROPERTY_RUNS'] ?? 60);

test('V18 V42 V46 whatever children move while their streams grow and their loads arrive, after each envelope and from each version on all is in its place', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(round, { minLength: 1, maxLength: 8, size: 'max' }),
      fc.nat(6),
      async (rounds, logged) => {
        const waiting: Waiting = new Map();
        const rig = new Rig(boardOf(cardOf(waiting)), { limits: { log_count: logged } });
        const client = await rig.open();
        const play = new Play(client, waiting);
        const mirror = mirrorOf(client.heard);
        for (const one of rounds) {
          const known = client.heard.length;
          play.round(one);
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          await rig.advance(1000);
          take(mirror, client.heard.slice(known));
          expect(mirror.snapshot(nodeKey([]))).toEqual(play.account.shown);
          expect(client.tree).toEqual(rig.instance.tree);
          expect(rig.of('fault')).toEqual([]);
        }
        for (const index of client.heard.keys()) {
          const back = mirrorOf(client.heard.slice(0, index + 1));
          resume(rig, back, 100 + index);
          expect(back.snapshot(nodeKey([]))).toEqual(play.account.shown);
          expect(back.tree).toEqual(rig.instance.tree);
        }
      },
    ),
    { numRuns },
  );
});
