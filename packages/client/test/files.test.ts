import { createHash } from 'node:crypto';
import {
  createServer,
  connect as connectTo,
  type Server as NetServer,
  type Socket,
} from 'node:net';
import { ConflictError, RejectedError, type Store } from '@holdfast/client';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openWorld, type World } from './world.ts';

const scopes = ['entries:read', 'entries:write', 'files:read', 'files:write'];
const text = 'Hello, files.';
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
const hashOf = (content: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

let world: World;
let token: string;

beforeEach(async () => {
  world = await openWorld();
  token = (await world.issue(scopes)).rawToken;
});
afterEach(() => world[Symbol.asyncDispose]());

const openStore = (url = world.url): Promise<Store> => world.store({ token, url });

/** A line to the server that counts what the client sends, and cuts connections when it is told to. */
type Line = {
  readonly url: string;
  readonly sent: () => number;
  /** Cuts every connection once it has carried so many bytes, up or down. */
  cutAfter(count: number | null): void;
  /** Carries nothing down any more on a connection that has carried so many bytes; tells how many. */
  stallAfter(count: number): Promise<number>;
};

async function line(): Promise<Line> {
  let sent = 0;
  let left: number | null = null;
  let stall: { readonly after: number; readonly stalled: (carried: number) => void } | null = null;
  const open = new Set<Socket>();
  const { hostname, port } = new URL(world.url);
  const proxy: NetServer = createServer((near) => {
    const far = connectTo(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      let carried = 0;
      from.on('data', (piece: Buffer) => {
        carried += piece.byteLength;
        if (from === near) sent += piece.byteLength;
        if (left !== null && carried > left) {
          near.resetAndDestroy();
          far.destroy();
        } else if (from === far && stall !== null && carried > stall.after) {
          stall.stalled(carried - piece.byteLength);
        } else if (!to.write(piece)) from.pause();
      });
      to.on('drain', () => from.resume());
      from.on('error', () => undefined);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  const address = proxy.address();
  const at = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${at}`,
    sent: () => sent,
    cutAfter: (count) => {
      left = count;
    },
    stallAfter: (after) =>
      new Promise((stalled) => {
        stall = { after, stalled };
      }),
  };
}

/** Content that does not repeat itself. */
function noise(size: number): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) {
    crypto.getRandomValues(content.subarray(at, Math.min(size, at + 65_536)));
  }
  return content;
}

async function drain(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  read: (size: number) => void,
): Promise<void> {
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true };
    if (done) return;
    read(value?.byteLength ?? 0);
  }
}

describe('putFile and getFile', () => {
  test.each([
    ['bytes', () => bytes(text)],
    ['a blob', () => new Blob([text])],
    ['a stream', () => new Blob([text]).stream()],
    [
      'an async iterable',
      async function* () {
        yield bytes('Hello, ');
        yield bytes('files.');
      },
    ],
  ])('write %s, show it in the store, and read it back', async (_name, content) => {
    const store = await openStore();
    const seen: unknown[] = [];
    const off = store.on('docs/*', ({ value }) => seen.push(value));
    const stored = await store.putFile('docs/a', content(), {
      filename: 'ä.txt',
      contentType: 'text/plain',
    });
    expect(stored).toEqual({
      seq: 1,
      hash: hashOf(text),
      size: 13,
      contentType: 'text/plain',
      filename: 'ä.txt',
    });
    expect(store.get('docs/a')).toMatchObject({ _type: 'file', hash: hashOf(text), size: 13 });
    expect(seen).toHaveLength(1);
    off();
    const file = await store.getFile('docs/a');
    expect(file).toMatchObject({
      hash: hashOf(text),
      size: 13,
      filename: 'ä.txt',
      contentType: 'text/plain',
    });
    const blob = await file?.blob();
    expect([await blob?.text(), blob?.type]).toEqual([text, 'text/plain']);
  });

  test('a device may be called anything: files are written all the same', async () => {
    const store = await world.store({ token, deviceId: 'Büro 漢' });
    expect(await store.putFile('a', bytes(text))).toMatchObject({ size: 13 });
  });

  test('a file brings its own name and type', async () => {
    const store = await openStore();
    const file = new File([text], 'own.md', { type: 'text/markdown' });
    expect(await store.putFile('a', file)).toMatchObject({
      filename: 'own.md',
      contentType: 'text/markdown',
    });
    expect(await store.putFile('b', new Blob([]))).toMatchObject({
      size: 0,
      filename: null,
      contentType: 'application/octet-stream',
    });
    expect(await (await store.getFile('b'))?.blob()).toMatchObject({ size: 0 });
  });

  test('parts are read as they are asked for, and nothing where no file is', async () => {
    const store = await openStore();
    await store.putFile('a', bytes(text));
    const part = async (range: { start: number; end?: number }): Promise<unknown> => {
      const file = await store.getFile('a', { range });
      return [file?.size, await (await file?.blob())?.text()];
    };
    expect(await part({ start: 7 })).toEqual([13, 'files.']);
    expect(await part({ start: 0, end: 5 })).toEqual([13, 'Hello']);
    expect(await part({ start: 7, end: 99 })).toEqual([13, 'files.']);
    await expect(part({ start: 13 })).rejects.toThrow(RangeError);
    await expect(part({ start: 5, end: 5 })).rejects.toThrow(RangeError);
    expect(await store.getFile('nothing')).toBeUndefined();
    await store.put('plain', 1).committed;
    expect(await store.getFile('plain')).toBeUndefined();
  });

  test('S99 an upload that breaks again and again goes on from where it stands (P65)', async () => {
    const between = await line();
    const store = await openStore(between.url);
    const content = noise(6_000_000);
    const progress: number[] = [];
    between.cutAfter(1_500_000);
    const stored = await store.putFile('big', new Blob([content]), {
      onProgress: ({ sent, total }) => {
        expect(total).toBe(6_000_000);
        progress.push(sent);
      },
    });
    between.cutAfter(null);
    expect(stored).toMatchObject({ hash: hashOf(content), size: 6_000_000 });
    expect(progress.at(-1)).toBe(6_000_000);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(between.sent()).toBeLessThan(12_000_000);
  }, 30_000);

  test('a download that breaks goes on from where it stood (P65)', async () => {
    const between = await line();
    const store = await openStore(between.url);
    const content = noise(6_000_000);
    await store.putFile('big', new Blob([content]));
    between.cutAfter(2_000_000);
    const file = await store.getFile('big');
    const found = new Uint8Array((await (await file?.blob())?.arrayBuffer()) ?? new ArrayBuffer(0));
    expect(hashOf(found)).toBe(hashOf(content));
  }, 30_000);

  test('what answers in the place of the server is neither a file, nor that there is none', async () => {
    let isLetGo = false;
    const page = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes('<h1>Welcome</h1>')),
      cancel: () => void (isLetGo = true),
    });
    const answers = [
      new Response(page, { headers: { 'content-type': 'text/html' } }),
      new Response('<h1>Not found</h1>', { status: 404, headers: { 'content-type': 'text/html' } }),
    ];
    const env = {
      random: () => 0.01,
      fetch: async (url: string, init: RequestInit) => answers.shift() ?? fetch(url, init),
    };
    const others = await openStore();
    await others.putFile('a', bytes(text));
    const store = await world.store({ token, env });
    const file = await store.getFile('a');
    expect(await (await file?.blob())?.text()).toBe(text);
    expect(await store.getFile('b')).toBeUndefined();
    expect([answers, isLetGo]).toEqual([[], true]);
  });

  test('of a server that sends without end no more is taken than it said there is', async () => {
    let pulled = 0;
    const fetch = async (): Promise<Response> => {
      const endless = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          pulled += 1;
          controller.enqueue(bytes(text));
        },
      });
      const etag = `"${hashOf(text)}"`;
      return new Response(endless, {
        status: 206,
        headers: { etag, 'content-range': 'bytes 0-19/20' },
      });
    };
    const store = await world.store({ token, env: { fetch } });
    const file = await store.getFile('a');
    expect((await file?.blob())?.size).toBe(20);
    expect(pulled).toBeLessThan(10);
  });

  test('a download that stands still can be cancelled, and asks for nothing any more', async () => {
    const between = await line();
    const store = await openStore(between.url);
    await store.putFile('big', new Blob([noise(3_000_000)]));
    const stalled = between.stallAfter(1_000_000);
    const file = await store.getFile('big');
    const reader = file?.stream.getReader();
    let count = 0;
    const reading = drain(reader, (size) => (count += size));
    const carried = await stalled;
    // All that has come, but for heads of answers.
    await expect.poll(() => count).toBeGreaterThan(carried - 4000);
    const sent = between.sent();
    await reader?.cancel();
    await reading;
    expect(between.sent()).toBe(sent);
  });

  test('S99 what the server has is not sent again', async () => {
    const between = await line();
    const store = await openStore(between.url);
    const content = new Blob([noise(3_000_000)]);
    await store.putFile('a', content);
    const sent = between.sent();
    expect(sent).toBeGreaterThan(3_000_000);
    await store.putFile('b', content);
    expect(between.sent() - sent).toBeLessThan(10_000);
    expect((await store.getFile('b'))?.size).toBe(3_000_000);
  });

  test('what is given up goes on next time', async () => {
    const between = await line();
    const store = await openStore(between.url);
    const content = new Blob([noise(3_000_000)]);
    const given = new AbortController();
    const upload = store.putFile('a', content, {
      signal: given.signal,
      onProgress: ({ sent }) => (sent > 1_000_000 ? given.abort() : undefined),
    });
    await expect(upload).rejects.toMatchObject({ name: 'AbortError' });
    const sent = between.sent();
    await store.putFile('a', content);
    expect(between.sent() - sent).toBeLessThan(2_100_000);
  });

  test('S78 what was asked for just before the client was closed is not begun after it (P35)', async () => {
    const client = world.client({ token });
    const store = client.store('acme/app');
    await store.ready;
    await store.putFile('a', bytes(text));
    const asked = [
      store.getFile('a'),
      store.putFile('b', bytes(text)),
      store.rollback({ path: 'a', to: 0 }),
      store.at(1).get('a'),
    ];
    await Promise.all([
      client.close(),
      ...asked.map((each) => expect(each).rejects.toMatchObject({ code: 'closed' })),
    ]);
  });

  test('S78 a client that is closed sends and fetches nothing any more (P35)', async () => {
    const between = await line();
    const client = world.client({ token, url: between.url });
    const store = client.store('acme/app');
    await store.ready;
    const content = new Blob([noise(3_000_000)]);
    const upload = store.putFile('a', content, {
      onProgress: ({ sent }) => (sent > 1_000_000 ? void client.close() : undefined),
    });
    await expect(upload).rejects.toMatchObject({ code: 'closed' });
    const sent = between.sent();
    await expect(store.putFile('a', content)).rejects.toMatchObject({ code: 'closed' });
    expect(between.sent() - sent).toBeLessThan(1000);
  });

  test('what cannot pass is told before the bytes are sent', async () => {
    const between = await line();
    const store = await openStore(between.url);
    await store.putFile('a', bytes(text));
    const content = new Blob([noise(3_000_000)]);
    const refused = await store
      .putFile('a', content, { ifAbsent: true })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConflictError);
    expect(refused).toMatchObject({ code: 'exists', currentRevision: 1 });
    const stale = { code: 'conflict', currentRevision: 1 };
    await expect(store.putFile('a', content, { ifMatch: 7 })).rejects.toMatchObject(stale);
    // Revision 0 never matches, here as of other writes (stores.md §5.1.1).
    await expect(store.putFile('a', content, { ifMatch: 0 })).rejects.toMatchObject(stale);
    const fence = { key: 'jobs', token: 7 };
    await expect(store.putFile('a', content, { fence })).rejects.toMatchObject({ code: 'fenced' });
    expect(between.sent()).toBeLessThan(20_000);
    expect(await store.putFile('a', content, { ifMatch: 1 })).toMatchObject({ seq: 2 });
  });

  test('S46 a file is written under a lease while it is held, and refused with `fenced` once it is lost', async () => {
    const store = await openStore();
    const lease = await store.lease(['jobs', 'a:b/ö']);
    const named = { key: lease.key, token: lease.token };
    expect(await store.putFile('a', bytes(text), { fence: lease })).toMatchObject({ seq: 2 });
    const stream = new Blob([text]).stream();
    expect(await store.putFile('b', stream, { fence: named })).toMatchObject({ seq: 3 });
    await expect(
      store.putFile('a', bytes(text), { fence: { ...named, key: 'a//b' } }),
    ).rejects.toMatchObject({ code: 'invalid_precondition' });
    await lease.release();
    const late = await store.putFile('a', bytes(text), { fence: lease }).catch((e: unknown) => e);
    expect(late).toBeInstanceOf(RejectedError);
    expect(late).toMatchObject({ code: 'fenced' });
  });

  test('a token without the scope is told so; a wrong option, and a wrong path too', async () => {
    const store = await world.store();
    await expect(store.putFile('a', bytes(text))).rejects.toMatchObject({
      code: 'missing_scope',
      details: { scope: 'files:write' },
    });
    await expect(store.getFile('a')).rejects.toMatchObject({ code: 'missing_scope' });
    await expect(store.putFile('', bytes(text))).rejects.toMatchObject({ code: 'empty_path' });
    await expect(store.putFile('a', bytes(text), { name: 'x' } as never)).rejects.toThrow(
      TypeError,
    );
    store.close();
    await expect(store.getFile('a')).rejects.toMatchObject({ code: 'closed' });
  });

  test('S18 paths keep their segments, whatever a URL makes of them', async () => {
    const store = await openStore();
    for (const path of ['a/../b', 'c%2Fd', 'e~1f', 'g?h#i', './j', 'ä 1+1']) {
      await store.putFile(path, bytes(path));
      expect(await (await (await store.getFile(path))?.blob())?.text()).toBe(path);
      expect(store.get(path)).toMatchObject({ _type: 'file' });
    }
  });
});
