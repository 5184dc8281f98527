import { expect, test } from 'vitest';

import type { Principal, RateLimits } from '../../src/access/index.ts';
import { slowClock } from '../conversation/clock.ts';
import { put } from '../conversation/talk.ts';
import { everything, world } from '../conversation/world.ts';
import { Reader } from './event-reader.ts';

const rates = { look_ms_per_minute: 600, look_burst_ms: 100 };
const headers = { authorization: 'Bearer dev' };

/** A store of so many leaves, of which the server looks at some now and then. */
async function open(
  leaves: number,
  { pathRules = null, ...other }: Partial<RateLimits & Pick<Principal, 'pathRules'>> = {},
) {
  const clock = slowClock();
  let principal = everything;
  const authenticate = async () => principal;
  const here = await world({ clock, rates: { ...rates, ...other }, authenticate });
  const peer = await here.joined();
  for (let from = 0; from < leaves; from += 10_000) {
    const part = Array.from({ length: Math.min(10_000, leaves - from) }, (_, at) => [`k${at}`, at]);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await put(peer, `k/${from}`, Object.fromEntries(part));
  }
  principal = { ...everything, pathRules };
  const get = (route: string): Promise<Response> =>
    fetch(`${here.url}/api/stores/demo/main/${route}`, { headers });
  return { clock, get };
}

test.each(['jsonl', 'sqlite', 'tar'])(
  'a large store is exported as %s again and again, as by a job of every night: what is delivered is owed by nobody',
  async (format) => {
    const { get } = await open(20_000);
    for (let each = 0; each < 4; each += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const exported = await get(`export?format=${format}`);
      expect(exported.status).toBe(200);
      // oxlint-disable-next-line no-await-in-loop -- the same
      expect((await exported.bytes()).byteLength).toBeGreaterThan(100_000);
    }
    expect((await get('diff?from_seq=1')).status).toBe(200);
  },
);

test('what an export looks through in vain is counted: again and again it is refused, and told when it passes (§12.2)', async () => {
  const pathRules = [{ pattern: 'k/*/k7', allow: ['read'] as const }];
  const { clock, get } = await open(60_000, { pathRules });
  let last = await get('export');
  expect(last.status).toBe(200);
  for (let each = 0; each < 30 && last.status === 200; each += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await last.bytes();
    // oxlint-disable-next-line no-await-in-loop -- the same
    last = await get('export');
  }
  expect(last.status).toBe(429);
  const { error, retry_after_ms: ms } = await last.json();
  expect(error).toBe('rate_limited');
  clock.pass(ms);
  expect((await get('export')).status).toBe(200);
});

test('who has its server-sent events go on from long ago again and again is told them later, and loses none (§12.2)', async () => {
  const pathRules = [{ pattern: 'k/*/k7', allow: ['read'] as const }];
  const { clock, get } = await open(60_000, { pathRules, look_burst_ms: 1 });
  const waiting = { left: 5 };
  const told = Array.from({ length: waiting.left }, async (): Promise<unknown> => {
    const reader = new Reader(await get('watch?since=0'));
    const events = await reader.take(7);
    await reader.close();
    waiting.left -= 1;
    return events.map(({ event, data }) => (isPlaced(data) ? data.path : event));
  });
  while (waiting.left > 0) {
    // oxlint-disable-next-line no-await-in-loop -- those who wait are told when it has been paid for
    await clock.run(1000);
  }
  expect((await get('export')).status).toBe(429);
  const parts = [0, 10_000, 20_000, 30_000, 40_000, 50_000];
  const all = ['ready', ...parts.map((part) => `k/${part}`)];
  expect(await Promise.all(told)).toEqual(told.map(() => all));
});

function isPlaced(data: unknown): data is { readonly path: string } {
  return typeof data === 'object' && data !== null && 'path' in data;
}
