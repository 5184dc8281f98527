import { joinPresence, type Presence } from '@holdfast/client/presence';
import type { JsonObject } from '@holdfast/client';
import { type Principal, scopes } from '@holdfast/server';
import { expect, test } from 'vitest';
import { badWeather, failureText, simulate } from './src/index.ts';
import { leavesOf, Truth } from './validators/truth.ts';

const seeds = { from: 1, count: 40 };

/** Devices whose names begin with guest may see what is open, and nothing else. */
async function authenticate({ token }: { token: string | null }): Promise<Principal> {
  const subject = token ?? '';
  const isGuest = subject.startsWith('guest');
  return {
    subject,
    orgs: ['acme'],
    scopes: new Set(scopes),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
    ...(isGuest && { pathRules: [{ pattern: 'open/**', allow: ['read', 'write'] }] }),
  };
}

test(
  'S102 whoever may read a part of a store is told of that part whole, and of nothing else, whatever the weather',
  { timeout: 480_000 },
  async () => {
    let leaks: string[] = [];
    const failure = await simulate(
      {
        faults: { ...badWeather, revoke: 0 },
        server: { authenticate },
        async program(world) {
          leaks = [];
          world.client('guest', {
            wrap: (link) => ({
              open: (url, events) =>
                link.open(url, {
                  opened: () => events.opened(),
                  closed: (code) => events.closed(code),
                  received(data) {
                    if (String(data).includes('hush')) leaks.push(String(data));
                    events.received(data);
                  },
                }),
            }),
          });
          for (let round = 0; round < 40; round++) {
            const store = world.device('owner').store('acme/app');
            store.put(`open/${world.dice.below(5)}`, round);
            store.put(`hush/${world.dice.below(5)}`, `hush ${round}`);
            if (round % 7 === 0) world.device('guest').store('acme/app').put('open/mine', round);
            if (round % 9 === 0) store.delete(world.dice.pick(['open', 'hush']));
            await world.sleep(250);
          }
        },
        async check(world) {
          expect(leaks).toEqual([]);
          const truth = new Truth((await world.log('acme/app')).map(({ op }) => op));
          const open = leavesOf(truth.stateAt(truth.head)).filter(([path]) =>
            path.startsWith('open/'),
          );
          const { items } = world.device('guest').store('acme/app').entries('**');
          expect(items.map(({ path, value }) => [path, value])).toEqual(open);
        },
      },
      seeds,
    );
    expect(failure === null ? null : failureText(failure)).toBeNull();
  },
);

test(
  'S85 when the weather has cleared, everybody sees who is here, and what each showed last',
  { timeout: 480_000 },
  async () => {
    const names = ['ann', 'bob', 'cleo'];
    const failure = await simulate(
      {
        faults: { ...badWeather, revoke: 0, compact: 0 },
        async program(world) {
          const rooms = new Map<string, Presence<JsonObject>>();
          for (const name of names) {
            const at = { store: 'acme/app', topic: 'rooms/7' };
            rooms.set(name, joinPresence(world.client(name), at));
          }
          const last = new Map<string, number>();
          for (let round = 0; round < 40; round++) {
            const name = world.dice.pick(names);
            rooms.get(name)?.set({ at: round });
            last.set(name, round);
            await world.sleep(250);
          }
          world.calm();
          await world.sleep(30_000);
          for (const room of rooms.values()) {
            const seen = new Map<string, unknown>();
            for (const { key, value } of room.peers.get().values()) seen.set(key, value['at']);
            expect(seen).toEqual(last);
          }
          for (const room of rooms.values()) room.leave();
        },
      },
      seeds,
    );
    expect(failure === null ? null : failureText(failure)).toBeNull();
  },
);
