import type { UploadId } from '@holdfast/server/blobs';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, test } from 'vitest';
import { Unfinished } from '../../src/files/unfinished.ts';
import { directory } from '../catch-up/directory.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { hashOf, pieceHeaders, type Site, site, told } from './site.ts';

const hourMs = 3_600_000;
const quotas = { file_storage: 1000 };

/** Begins an upload of 900 bytes, of which it sends so many. */
async function begin(
  { call }: Site,
  name: string,
  bytes: number,
): Promise<readonly [number, object]> {
  const content = name.repeat(900).slice(0, 900);
  const headers = pieceHeaders(hashOf(content), `0-${bytes - 1}/900`);
  const answer = await call(name, { method: 'PUT', headers, body: content.slice(0, bytes) });
  return told(answer);
}

/** What the first byte of an upload is answered, of other content each time: what has begun is not begun again. */
function beginning(here: Site): () => Promise<number> {
  let asked = 0;
  return async () => {
    asked += 1;
    const [status] = await begin(here, `other ${asked}`, 1);
    return status;
  };
}

test('S104 uploads that are never finished hold no more than the quota, together', async () => {
  const here = await site({ quotas });
  expect(await begin(here, 'a', 600)).toEqual([202, { received: 600 }]);
  expect(await begin(here, 'b', 300)).toEqual([202, { received: 300 }]);
  const refusal = { error: 'limit_exceeded', dimension: 'file_storage', current: 900, limit: 1000 };
  expect(await begin(here, 'c', 200)).toEqual([402, refusal]);
  const more = pieceHeaders(hashOf('b'.repeat(900)), '300-399/900');
  const answer = await here.call('b', { method: 'PUT', headers: more, body: 'b'.repeat(100) });
  expect(await told(answer)).toEqual([202, { received: 400 }]);
});

test('S104 what a former process has left of uploads counts after the first look at it', async () => {
  const data = directory();
  const first = await site({ quotas, data });
  expect(await begin(first, 'a', 600)).toEqual([202, { received: 600 }]);
  await first.server.close();
  const clock = new VirtualClock();
  const second = await site({ quotas, data, clock });
  expect(await begin(second, 'b', 400)).toEqual([202, { received: 400 }]);
  await clock.pass(hourMs);
  await expect.poll(beginning(second)).toBe(402);
});

test('S104 what a former process has left of uploads is gone a day later, for it is looked at each hour', async () => {
  const data = directory();
  const clock = new VirtualClock();
  const files = memoryBlobs({ now: clock.wall });
  const first = await site({ quotas, data, files, clock });
  expect(await begin(first, 'a', 600)).toEqual([202, { received: 600 }]);
  expect(await begin(first, 'b', 400)).toEqual([202, { received: 400 }]);
  await first.server.close();
  const second = await site({ quotas, data, files, clock });
  await clock.pass(hourMs);
  await expect.poll(beginning(second)).toBe(402);
  await clock.pass(24 * hourMs);
  await expect.poll(beginning(second)).toBe(202);
});

test('S104 what an upload has received stays when the clock is put ahead, and goes after it has stood there for a day', async () => {
  const clock = new VirtualClock();
  const here = await site({ quotas, files: memoryBlobs({ now: clock.wall }), clock });
  expect(await begin(here, 'a', 600)).toEqual([202, { received: 600 }]);
  expect(await begin(here, 'b', 300)).toEqual([202, { received: 300 }]);
  await clock.pass(hourMs);
  clock.setWall(365 * 24 * hourMs);
  await clock.pass(2 * hourMs);
  const more = pieceHeaders(hashOf('b'.repeat(900)), '300-399/900');
  const answer = await here.call('b', { method: 'PUT', headers: more, body: 'b'.repeat(100) });
  expect(await told(answer)).toEqual([202, { received: 400 }]);
  await clock.pass(25 * hourMs);
  await expect.poll(beginning(here)).toBe(202);
});

test('S104 what an upload has received stays where a server is started while the clock is ahead', async () => {
  const clock = new VirtualClock();
  const folder = { directory: directory(), now: clock.wall, monotonic: clock.now };
  const files = memoryBlobs({ now: clock.wall });
  const begun = (): Promise<Site> => site({ quotas, files, clock, storage: sqlite(folder) });
  const first = await begun();
  expect(await begin(first, 'a', 600)).toEqual([202, { received: 600 }]);
  expect(await begin(first, 'b', 400)).toEqual([202, { received: 400 }]);
  await first.server.close();
  clock.setWall(365 * 24 * hourMs);
  const second = await begun();
  await clock.pass(2 * hourMs);
  await expect.poll(beginning(second)).toBe(402);
  await clock.pass(26 * hourMs);
  await expect.poll(beginning(second)).toBe(202);
});

test('S104 one store has a thousand uploads on their way, and no more; another has its own', () => {
  const unfinished = new Unfinished({});
  const nth = (at: number): UploadId => unfinished.nameOf('store', 'ada', String(at));
  for (let at = 0; at < 1000; at += 1) unfinished.grow(nth(at), 1);
  expect(() => unfinished.grow(nth(1000), 1)).toThrow('overloaded');
  unfinished.grow(nth(7), 2);
  unfinished.grow(unfinished.draw('other'), 1);
  unfinished.done(nth(7));
  unfinished.grow(nth(1000), 1);
});

test('S103 each request that brings a part of a file is a write, the last one too, and counts once', async () => {
  const rates = { writes_per_minute: 60, write_burst: 3 };
  const { call } = await site({ rates, clock: new VirtualClock() });
  const content = 'in pieces';
  const piece = async (range: string, body: string): Promise<readonly [number, string | null]> => {
    const headers = pieceHeaders(hashOf(content), range);
    const answer = await call('a', { method: 'PUT', headers, body });
    return [answer.status, answer.headers.get('x-ratelimit-remaining')];
  };
  expect(await piece('0-2/9', 'in ')).toEqual([202, '2']);
  expect(await piece('3-5/9', 'pie')).toEqual([202, '1']);
  expect(await piece('6-8/9', 'ces')).toEqual([201, '0']);
  expect(await piece('0-2/9', 'in ')).toEqual([429, '0']);
});
