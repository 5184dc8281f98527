import { type Cache, type Client, memoryCache, type Store } from '@holdfast/client';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import type { GivenPrincipal } from '@holdfast/server';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { seed } from '../../../../tools/seed.ts';
import { Clock, turn } from '../../../react/test/clock.ts';
import { platformTabs } from '../../src/tabs/platform.ts';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';

const full: GivenPrincipal = {
  subject: 'all',
  orgs: ['acme'],
  scopes: ['entries:read', 'entries:write'],
};
const person: GivenPrincipal = {
  ...full,
  subject: 'me',
  pathRules: [{ pattern: 'open/**', allow: ['read', 'write'] }],
};

const hidden = 'hidden/**';
const globs = ['open/a/**', 'open/b/**', 'open/*/x', 'open/c/y', 'open/**', hidden];
const leaves = ['open/a/x', 'open/a/y', 'open/b/x', 'open/c/x', 'open/c/y'];

/** A part that is open in a tab, and how its `ready` has ended; null: not yet. */
type Opened = { readonly store: Store; readonly scope: readonly string[]; end: string | null };

type Profile = {
  readonly clock: Clock;
  readonly cache: Cache;
  readonly name: string;
};

/** A tab which may be frozen, and slow to hear of the server and of other tabs. */
class Tab {
  readonly parts: Opened[] = [];
  readonly valve = new Valve();
  readonly #client: Client;
  readonly #writes: Store;
  #waiting: (() => void)[] | null = null;
  freeze: (isFrozen: boolean) => void = () => undefined;

  constructor(world: World, { clock, cache, name }: Profile) {
    this.#client = world.client({
      token: 'me',
      deviceId: 'browser',
      tabs: tabs({ name, platform: this.#platform() }),
      env: clock.env,
      cache,
      link: this.valve,
    });
    this.#writes = this.#client.store('acme/app', { scope: [] });
  }

  open(scope: readonly string[]): Opened {
    const store = this.#client.store('acme/app', { scope });
    const opened: Opened = { store, scope, end: null };
    this.parts.push(opened);
    store.ready.then(
      () => (opened.end = 'ready'),
      (error: { readonly code?: string }) => (opened.end = error.code ?? 'failed'),
    );
    return opened;
  }

  drop(at: number): void {
    const [dropped] = this.parts.splice(at % Math.max(this.parts.length, 1), 1);
    dropped?.store.close();
  }

  put(leaf: string, value: string): void {
    this.#writes.put(leaf, value);
  }

  /** What other tabs say waits until it goes on. */
  stall(): void {
    this.#waiting ??= [];
  }

  goOn(): void {
    this.valve.letIn();
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const hear of waiting) hear();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** What differs from what it should show and tell when all is calm. */
  wrong(all: Store): unknown[] {
    return this.parts.flatMap(({ store, scope, end }) => {
      // What may not be read is told to who asks for that alone.
      if (end === 'path_not_allowed' && scope.includes(hidden)) return [];
      if (end !== 'ready') return [[scope, end]];
      return scope
        .filter((glob) => glob !== hidden)
        .map((glob) => [glob, shown(store, glob), shown(all, glob)])
        .filter(([, mine, theirs]) => mine !== theirs);
    });
  }

  #platform(): TabsPlatform {
    const real = platformTabs();
    if (real === null) throw new Error('there are no locks here');
    return {
      ...real,
      channel: (name, hear) =>
        real.channel(name, (message) => {
          if (this.#waiting === null) hear?.(message);
          else this.#waiting.push(() => hear?.(message));
        }),
      watchFreezing: (hear) => {
        this.freeze = hear;
        return () => undefined;
      },
    };
  }
}

function shown(store: Store, glob: string): string {
  return JSON.stringify(store.entries(glob).items.map(({ path, value }) => [path, value]));
}

/** Three tabs of one browser, and who writes elsewhere and sees all. */
type Site = {
  readonly world: World;
  readonly writer: Store;
  readonly profile: Profile;
  readonly seats: Tab[];
  count: number;
};

/** Which of the tabs, and which of what there is. */
type Choice = { readonly at: number; readonly nth: number; readonly scope: readonly string[] };

const seatOf = ({ seats }: Site, { at }: Choice): Tab => seats[at] ?? expect.fail('no such tab');
const leafOf = ({ nth }: Choice): string => leaves[nth % leaves.length] ?? '';
const valueIn = (site: Site): string => `${site.profile.name} ${(site.count += 1)}`;

const deeds = {
  open: (site: Site, choice: Choice) => void seatOf(site, choice).open(choice.scope),
  drop: (site: Site, choice: Choice) => seatOf(site, choice).drop(choice.nth),
  put: (site: Site, choice: Choice) => seatOf(site, choice).put(leafOf(choice), valueIn(site)),
  putElsewhere: (site: Site, choice: Choice) => void site.writer.put(leafOf(choice), valueIn(site)),
  holdIn: (site: Site, choice: Choice) => seatOf(site, choice).valve.holdIn(),
  stall: (site: Site, choice: Choice) => seatOf(site, choice).stall(),
  goOn: (site: Site, choice: Choice) => seatOf(site, choice).goOn(),
  cut: (site: Site, choice: Choice) => seatOf(site, choice).valve.cut(),
  freeze: (site: Site, choice: Choice) => seatOf(site, choice).freeze(choice.nth % 2 === 0),
  reload: async (site: Site, choice: Choice) => {
    const { parts } = seatOf(site, choice);
    await seatOf(site, choice).close();
    const seat = new Tab(site.world, site.profile);
    site.seats[choice.at] = seat;
    for (const { scope } of parts) seat.open(scope);
  },
  // A part that nobody has open is kept for so long.
  minute: ({ profile }: Site) => profile.clock.skip(61_000),
  turns: async (_site: Site, { nth }: Choice) => {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    for (let passed = 0; passed < nth; passed++) await turn();
  },
};

const often = ['open', 'open', 'open', 'drop', 'drop', 'put', 'put', 'putElsewhere'] as const;
const seldom = ['holdIn', 'stall', 'goOn', 'goOn', 'cut', 'freeze', 'reload', 'minute'] as const;
const between = ['turns', 'turns', 'turns', 'turns', 'turns', 'turns', 'turns', 'turns'] as const;

const deed = fc.record({
  name: fc.constantFrom(...often, ...often, ...seldom, ...between),
  at: fc.nat(2),
  nth: fc.nat(150),
  scope: fc.uniqueArray(fc.constantFrom(...globs), { maxLength: 2 }),
});

async function siteIn(world: World, writer: Store, name: string): Promise<Site> {
  const profile = { clock: new Clock(), cache: memoryCache(), name };
  const seats: Tab[] = [];
  for (const glob of ['open/a/**', 'open/c/y', 'open/c/y']) {
    const seat = new Tab(world, profile);
    seats.push(seat);
    // oxlint-disable-next-line no-await-in-loop -- the first is to lead
    await seat.open([glob]).store.ready;
  }
  return { world, writer, profile, seats, count: 0 };
}

test('given tabs that open and drop parts, write, stall, freeze and are loaded again, when it is calm, then each part that is open has been answered and shows all that is there', async () => {
  await using world = await openWorld(async ({ token }) => (token === 'all' ? full : person));
  const writer = await world.store({ token: 'all' });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 20, maxLength: 60 }), async (list) => {
      const site = await siteIn(world, writer, `parts ${(runs += 1)}`);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      for (const { name, ...choice } of list) await deeds[name](site, choice);
      for (const seat of site.seats) {
        seat.goOn();
        seat.freeze(false);
      }
      await writer.settled();
      const wrong = (): unknown[] => site.seats.flatMap((seat) => seat.wrong(writer));
      await expect.poll(() => site.profile.clock.skip(100).then(wrong)).toEqual([]);
      await Promise.all(site.seats.map((seat) => seat.close()));
    }),
    { seed, numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 25), endOnFailure: true },
  );
  expect(world.errors).toEqual([]);
});
