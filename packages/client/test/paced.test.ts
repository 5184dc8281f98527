import { expect, it } from 'vitest';
import type { Link, OutboxEntry } from '@holdfast/client';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { passUntil } from './pass-until.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

/** Lets time pass only while what is refused for now waits for it, so that no message on its way is late. */
async function passUntilSettled(
  list: () => readonly OutboxEntry[],
  clock: VirtualClock,
): Promise<void> {
  while (list().length > 0) {
    const all = list();
    const isWaiting = all[0]?.state === 'waiting' && all.every(({ state }) => state !== 'sent');
    // oxlint-disable-next-line no-await-in-loop -- one step of time after the other
    await clock.pass(isWaiting ? 10 : 0);
    // oxlint-disable-next-line no-await-in-loop -- what is on its way comes
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** How long each retry has waited, of the time that the server had told for it. */
function waitsOf(
  valve: Valve,
  now: () => number,
): { readonly link: Link; readonly waits: number[] } {
  const waits: number[] = [];
  let told: { readonly ms: number; readonly at: number } | null = null;
  const hear = (text: string): void => {
    const ms = /"retry_after_ms":(\d+)/.exec(text)?.[1];
    if (ms !== undefined && text.includes('"rate_limited"')) told = { ms: Number(ms), at: now() };
  };
  const open: Link['open'] = (url, events) => {
    const received = (data: string | Uint8Array): void => {
      hear(String(data));
      events.received(data);
    };
    const line = valve.open(url, { ...events, received });
    const send = (data: string | Uint8Array): void => {
      if (told !== null && String(data).includes('"unblock":true')) {
        waits.push((now() - told.at) / told.ms);
      }
      line.send(data);
    };
    return { send, close: (code) => line.close(code) };
  };
  return { link: { open }, waits };
}

it('S66 1,000 writes after an outage pass a burst of 100 in order, as fast as their rate lets them and each retry when it was told', async () => {
  const clock = new VirtualClock();
  const rates = { writes_per_minute: 600, write_burst: 100 };
  await using world = await openWorld(undefined, { clock, rates });
  const valve = new Valve();
  const { link, waits } = waitsOf(valve, () => clock.now());
  const store = await world.store({ link, env: { random: () => 0 } });
  valve.down();
  for (let n = 0; n < 1000; n++) store.put(`k/${n}`, n);
  valve.up();
  const start = clock.now();
  await passUntilSettled(() => store.outbox.list(), clock);
  const ms = clock.now() - start;
  expect(ms).toBeGreaterThanOrEqual(90_000);
  expect(ms).toBeLessThan(90_000 * 1.2);
  expect(waits.length).toBeGreaterThan(100);
  // Time passes by a tenth of what is told.
  expect([Math.min(...waits), Math.max(...waits)]).toEqual([
    expect.toSatisfy((least: number) => least >= 1),
    expect.toSatisfy((most: number) => most < 1.2),
  ]);
  const said = valve.received.map(String).join('\n');
  expect(said).toContain('"blocked"');
  const reader = await world.store();
  const revisions = Array.from({ length: 1000 }, (_, n) => reader.entry(`k/${n}`)?.revision);
  expect(revisions).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1));
});

it('S83 parts beyond the rate of joins come one after the other, on one connection, and none is forgotten', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld(undefined, { clock, rates: { joins_per_minute: 3 } });
  const { rawToken: token } = await world.issue(['entries:read', 'entries:write']);
  const writer = await world.store({ token });
  const names = ['a', 'b', 'c', 'd', 'e'];
  await Promise.all(names.map((name) => writer.put(`${name}/x`, name).committed));
  const link = new Valve();
  const client = world.client({ link });
  const parts = [];
  for (const name of names) {
    const part = client.store('acme/app', { scope: [`${name}/**`] });
    parts.push(part);
    // The first three are a join and two changes of it.
    // oxlint-disable-next-line no-await-in-loop -- one after the other, for those of one turn are one change
    if (parts.length <= 3) await part.ready;
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    else await passUntil(clock, part.ready);
  }
  expect(parts.map((part, at) => part.get(`${names[at]}/x`))).toEqual(names);
  expect(link.opened).toBe(1);
  expect(link.sent.filter((each) => String(each).includes('phx_join'))).toHaveLength(1);
  // Two of them waited for one in 20 s each.
  expect(clock.now()).toBeGreaterThanOrEqual(40_000);
  expect(clock.now()).toBeLessThan(60_000);
});
