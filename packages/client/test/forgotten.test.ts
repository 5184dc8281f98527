import type { Link } from '@holdfast/client';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { passUntil } from './pass-until.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

/** A server that, once it is told so, remembers only what was committed since a moment. */
function forgetting(valve: Valve, since: number): { readonly link: Link; forget(): void } {
  let hasForgotten = false;
  const open: Link['open'] = (url, events) => {
    const received = (data: string | Uint8Array): void => {
      const said = String(data);
      const told = said.replace('"dedupe_since":0', `"dedupe_since":${since}`);
      events.received(hasForgotten ? told : said);
    };
    return valve.open(url, { ...events, received });
  };
  return { link: { open }, forget: () => void (hasForgotten = true) };
}

test('S69 what was sent before all that the server remembers, and never answered, is told as unknown and not sent again; what was sent or made since is', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld(undefined, { clock });
  const valve = new Valve();
  const { link, forget } = forgetting(valve, clock.wall() + 1000);
  const store = await world.store({ link, env: { random: () => 0 } });
  const reader = await world.store();
  valve.holdIn();
  const before = store.increment('n');
  await expect.poll(() => reader.get('n')).toBe(1);
  await clock.pass(2000);
  const since = store.increment('n', 10);
  await expect.poll(() => reader.get('n')).toBe(11);
  forget();
  valve.sent.length = 0;
  valve.cut();
  const offline = store.increment('n', 100);
  await passUntil(clock, store.settled());
  await expect(before.committed).rejects.toMatchObject({ code: 'outcome_unknown' });
  expect(await since.committed).toMatchObject({ seq: 2 });
  expect(await offline.committed).toMatchObject({ seq: 3 });
  expect(valve.sent.join()).not.toContain(before.opId);
  expect(valve.sent.join()).toContain(since.opId);
  // What is committed is shown, whatever became of its receipt.
  expect([store.get('n'), reader.get('n')]).toEqual([111, 111]);
});
