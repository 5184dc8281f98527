import { deferred } from '@holdfast/engine/registry';
import type { ServerLog } from '@holdfast/server';
import type { Blobs } from '@holdfast/server/blobs';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';
import { Scrape } from '../metrics/scrape.ts';

const file = '/api/stores/demo/main/files/a';
const headers = { authorization: 'Bearer dev' };

/** What a server tells its log as errors, and what anybody writes to the console meanwhile. */
function listening(): { readonly log: ServerLog; readonly told: string[]; console(): number } {
  const told: string[] = [];
  const error = vi.spyOn(console, 'error').mockReturnValue();
  const info = vi.spyOn(console, 'info').mockReturnValue();
  onTestFinished(() => {
    error.mockRestore();
    info.mockRestore();
  });
  return {
    log: { info: () => undefined, error: (_details, what) => void told.push(what) },
    told,
    console: () => error.mock.calls.length + info.mock.calls.length,
  };
}

async function* piecesBefore(rest: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1000);
  await rest();
}

/** Keeps bytes in memory; whoever reads some gets one piece, and then waits for how it ends. */
function ending(rest: () => Promise<void>): Blobs {
  return Object.assign(memoryBlobs(), { read: async () => piecesBefore(rest) });
}

test('an answer that cannot go on breaks off, and one line of the log tells it, none of the console', async () => {
  const { log, told, console } = listening();
  const { url } = await world({
    log,
    files: ending(() => Promise.reject(new Error('the medium failed'))),
  });
  const body = new Uint8Array(100_000);
  expect((await fetch(url + file, { method: 'PUT', body, headers })).status).toBe(201);
  const answer = await fetch(url + file, { headers });
  await expect(answer.arrayBuffer()).rejects.toThrow('terminated');
  expect(told).toEqual(['a request failed']);
  expect((await Scrape.of(url)).value('holdfast_errors_total')).toBe(1);
  expect(console()).toBe(0);
});

test('whoever takes nothing of an answer for two minutes is cut off, and no log hears of it', async () => {
  const { log, told, console } = listening();
  const clock = new VirtualClock();
  const { url } = await world({ log, clock });
  const body = new Uint8Array(20_000_000);
  expect((await fetch(url + file, { method: 'PUT', body, headers })).status).toBe(201);
  const answer = await fetch(url + file, { headers });
  expect(answer.status).toBe(200);
  await clock.pass(130_000);
  await expect(answer.arrayBuffer()).rejects.toThrow('terminated');
  expect([told, console()]).toEqual([[], 0]);
});

test('whoever leaves amid an answer is no failure', async () => {
  const { log, told, console } = listening();
  const rest = deferred<void>();
  const { server, url } = await world({ log, files: ending(() => rest.promise) });
  const body = new Uint8Array(100_000);
  expect((await fetch(url + file, { method: 'PUT', body, headers })).status).toBe(201);
  const leaving = new AbortController();
  const answer = await fetch(url + file, { headers, signal: leaving.signal });
  const reading = answer.arrayBuffer();
  leaving.abort();
  await expect(reading).rejects.toThrow('aborted');
  // By the time that others have been answered, the server has noticed.
  for (let turn = 0; turn < 5; turn += 1) await fetch(`${url}/healthz`);
  rest.resolve();
  await server.close();
  expect([told, console()]).toEqual([[], 0]);
});

test('storage and tokens that cannot be asked are told ten times a second at most, however many ask', async () => {
  const { log, told } = listening();
  const { url } = await world({
    log,
    clock: new VirtualClock(),
    authenticate: () => Promise.reject(new Error('the directory is away')),
  });
  for (let request = 0; request < 30; request += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await fetch(`${url}/api/whoami`, { headers })).status).toBe(503);
  }
  expect(told).toHaveLength(10);
});
