import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

const scopes = ['entries:read', 'entries:write', 'files:read', 'files:write'];

let world: World;
let token: string;

beforeEach(async () => {
  world = await openWorld();
  token = (await world.issue(scopes)).rawToken;
});
afterEach(() => world[Symbol.asyncDispose]());

test('a download that breaks off again and again, and brings nothing, comes to an end', async () => {
  const asked: (string | null)[] = [];
  const broken: typeof fetch = async (url, init) => {
    const answer = await fetch(url, init);
    asked.push(new Headers(init?.headers).get('range'));
    await answer.body?.cancel();
    const nothing = new ReadableStream({
      pull: (controller) => controller.error(new Error('broken')),
    });
    return new Response(nothing, answer);
  };
  const store = await world.store({ token, env: { fetch: broken } });
  const others = await world.store({ token });
  await others.putFile('a', new Blob(['Hello, files.']));
  const file = await store.getFile('a');
  const reading = file?.blob();
  await expect(reading).rejects.toMatchObject({ code: 'unavailable', details: { missing: 13 } });
  expect(asked).toEqual([null, ...Array.from({ length: 5 }, () => 'bytes=0-12')]);
});

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What proxies do with an answer that is no part, on its way to who reads compressed answers. */
const compressing =
  (alters: (headers: Headers, length: number) => void): Fetch =>
  async (url, init) => {
    const answer = await fetch(url, init);
    if (answer.status !== 200 || !url.includes('/file?')) return answer;
    const bytes = await answer.arrayBuffer();
    const headers = new Headers(answer.headers);
    headers.set('etag', `W/${headers.get('etag')}`);
    alters(headers, gzipSync(bytes).byteLength);
    return new Response(bytes, { status: 200, headers });
  };

/** Others leave out of a request what they do not know. */
const dropping: Fetch = (url, init) => {
  const headers = new Headers(init.headers);
  headers.delete('range');
  return fetch(url, { ...init, headers });
};

/** Or they answer with what they have: more than was asked for, from the beginning. */
const widening: Fetch = (url, init) => {
  const headers = new Headers(init.headers);
  const range = headers.get('range');
  if (range !== null) headers.set('range', range.replace(/=\d+/, '=0'));
  return fetch(url, { ...init, headers });
};

/** What is asked for as a whole breaks off after five bytes. */
const breaking: Fetch = async (url, init) => {
  const answer = await widening(url, init);
  if (!url.includes('/file?') || answer.status !== 200) return answer;
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const pieces = [bytes.slice(0, 5)];
  const beginning = new ReadableStream({
    pull(controller) {
      const piece = pieces.pop();
      if (piece === undefined) controller.error(new Error('broken'));
      else controller.enqueue(piece);
    },
  });
  return new Response(beginning, answer);
};

describe('behind a proxy', () => {
  const text = 'Hello, files. '.repeat(200);

  test.each([
    ['leaves out how long it is', (headers: Headers) => headers.delete('content-length')],
    [
      'says how long it is compressed',
      (headers: Headers, length: number) => {
        headers.set('content-encoding', 'gzip');
        headers.set('content-length', String(length));
      },
    ],
  ])('that compresses a file, and %s, all of it is read', async (_, alters) => {
    const store = await world.store({ token, env: { fetch: compressing(alters) } });
    await store.putFile('a', new Blob([text], { type: 'text/html' }));
    const file = await store.getFile('a');
    expect(file?.size).toBe(text.length);
    expect(await (await file?.blob())?.text()).toBe(text);
    await store.putFile('none', new Blob([]));
    const none = await store.getFile('none');
    expect([none?.size, await (await none?.blob())?.text()]).toEqual([0, '']);
  });

  test('that drops what part is asked for, nothing else is taken for that part', async () => {
    const store = await world.store({ token, env: { fetch: dropping } });
    await store.putFile('a', new Blob([text]));
    const reading = store.getFile('a', { range: { start: 7, end: 12 } });
    await expect(reading).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('that answers with another part, nothing is taken for what it is not', async () => {
    const store = await world.store({ token, env: { fetch: widening } });
    await store.putFile('a', new Blob([text]));
    const reading = store.getFile('a', { range: { start: 7, end: 12 } });
    await expect(reading).rejects.toMatchObject({ code: 'unavailable' });
    const cut = await world.store({ token, env: { fetch: breaking } });
    const file = await cut.getFile('a');
    await expect(file?.blob()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

test('who cannot be reached is asked sixteen times, ever later, and then no more', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const at: number[] = [];
  const unreachable = (url: string): Promise<never> => {
    // Where time passes faster than its socket is answered, the client asks by HTTP why that does not open, too.
    if (!url.endsWith('/whoami')) at.push(clock.now());
    return Promise.reject(new TypeError('no network'));
  };
  const store = await still.store({ env: { fetch: unreachable, random: () => 1 } });
  const asking = expect(store.getFile('a')).rejects.toMatchObject({ code: 'unavailable' });
  await expect.poll(() => at.length).toBe(1);
  const begun = clock.now();
  await clock.pass(300_000);
  await asking;
  const waits = at.slice(1).map((time, index) => time - (at[index] ?? begun));
  expect(waits).toEqual([
    250,
    500,
    1000,
    2000,
    4000,
    8000,
    ...Array.from({ length: 9 }, () => 10_000),
  ]);
});

test('a file that waits for the network is sent as soon as the client is connected again', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const { rawToken } = await still.issue(scopes);
  let isReachable = false;
  let asked = 0;
  const through: Fetch = (url, init) => {
    if (!url.endsWith('/whoami')) asked += 1;
    return isReachable ? fetch(url, init) : Promise.reject(new TypeError('no network'));
  };
  const valve = new Valve();
  const client = still.client({
    token: rawToken,
    link: valve,
    env: { fetch: through, random: () => 1 },
  });
  const store = client.store('acme/app');
  await store.ready;
  valve.down();
  const sending = store.putFile('a', new Blob(['1']));
  await expect.poll(() => asked).toBe(1);
  await clock.pass(250);
  await expect.poll(() => asked).toBe(2);
  await clock.pass(30_000);
  isReachable = true;
  valve.up();
  void client.connect();
  expect((await sending).size).toBe(1);
});

test('a server that asks for patience without end is asked again after five minutes', async () => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  const at: number[] = [];
  const patient = async (url: string): Promise<Response> => {
    if (url.endsWith('/whoami')) throw new TypeError('no network');
    at.push(clock.now());
    const body =
      at.length === 1 ? '{"error":"overloaded","retry_after_ms":1e999}' : '{"error":"nonsense"}';
    return new Response(body, { status: 503, headers: { 'content-type': 'application/json' } });
  };
  const store = await still.store({ env: { fetch: patient } });
  const asking = expect(store.getFile('a')).rejects.toMatchObject({ code: 'invalid_payload' });
  await expect.poll(() => at.length).toBe(1);
  await clock.pass(310_000);
  await asking;
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBe(300_000);
});

test.each([
  [200, {}],
  [201, { store_seq: 1, hash: 5, size: 1, content_type: 'text/plain' }],
  [200, { store_seq: 'one', hash: 'x', size: 1, content_type: 'text/plain' }],
  [200, { store_seq: 1, hash: 'x', size: null, content_type: 'text/plain' }],
  [202, {}],
  [202, { received: -1 }],
  [299, { received: 1e300 }],
])('an upload takes no %i with %j for the answer of a server', async (status, body) => {
  const clock = new VirtualClock();
  await using still = await openWorld(undefined, { clock });
  let asked = 0;
  const portal = async (url: string): Promise<Response> => {
    if (url.endsWith('/whoami')) throw new TypeError('no network');
    asked += 1;
    return Response.json(body, { status });
  };
  const store = await still.store({ env: { fetch: portal } });
  const unavailable = { code: 'unavailable' };
  await expect(store.putFile('a', new Blob(['1']).stream())).rejects.toMatchObject(unavailable);
  const sending = expect(store.putFile('a', new Blob(['1']))).rejects.toMatchObject(unavailable);
  await expect.poll(() => asked).toBe(2);
  await clock.pass(300_000);
  await sending;
  expect(asked).toBe(17);
});

test('a listener of progress that throws is reported, and its file is sent all the same', async () => {
  const store = await world.store({ token });
  const fault = new Error('the bar is gone');
  const onProgress = (): never => {
    throw fault;
  };
  expect(await store.putFile('a', new Blob(['1']), { onProgress })).toMatchObject({ size: 1 });
  expect(world.errors).toContain(fault);
});

test('what a stream that is sent fails with is what is told', async () => {
  const store = await world.store({ token });
  const fault = new Error('the disk is gone');
  async function* content(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array([1]);
    throw fault;
  }
  const sending = store.putFile('a', content());
  await expect(sending).rejects.toBe(fault);
  expect(await store.getFile('a')).toBeUndefined();
});
