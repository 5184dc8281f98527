import { deferred } from '@holdfast/engine/registry';
import { defaultLimits } from '@holdfast/protocol';
import { expect, test, vi } from 'vitest';
import { world } from '../conversation/world.ts';
import { World } from '../http/world.ts';
import { Raw } from './raw.ts';

test('slowloris: a connection whose headers do not come is closed, whatever it says now and then', async () => {
  const { url } = await world({ headersTimeoutMs: 200 });
  const [mute, dripping] = await Promise.all([Raw.open(url), Raw.open(url)]);
  dripping.say('GET /healthz HTTP/1.1\r\nHost: a\r\n');
  const drip = setInterval(() => dripping.say('X-A: b\r\n'), 20);
  const said = await dripping.closed();
  clearInterval(drip);
  expect(said).toContain('408');
  await mute.closed();
  // It, too, has only 200 ms to say what it wants.
  await expect.poll(async () => (await fetch(`${url}/healthz`)).status).toBe(200);
});

test('slowloris: an upgrade whose headers do not come is closed', async () => {
  const { url } = await world({ headersTimeoutMs: 200 });
  const raw = await Raw.open(url);
  raw.say('GET /ws/sync/websocket?token=dev HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n');
  expect(await raw.closed()).toContain('408');
});

test('headers without end are refused', async () => {
  const { url } = await world();
  const raw = await Raw.open(url);
  raw.say(`GET /healthz HTTP/1.1\r\nHost: a\r\n${`X-A: ${'a'.repeat(1000)}\r\n`.repeat(100)}`);
  expect(await raw.closed()).toContain('431');
});

type Stalled = {
  readonly answer: Promise<Response>;
  readonly home: World;
  readonly tokenId: string;
  send(text: string): void;
  end(): void;
};

/** A request whose body is given piece by piece, and never ends. */
async function stalled(method: string, path: string, type: string): Promise<Stalled> {
  const home = new World({ limits: defaultLimits });
  await home.store('acme/blog');
  const { raw, id: tokenId } = await home.token();
  const pieces = new TransformStream<Uint8Array, Uint8Array>();
  const writer = pieces.writable.getWriter();
  const headers = { authorization: `Bearer ${raw}`, 'content-type': type };
  const init = { method, body: pieces.readable, headers, duplex: 'half' };
  return {
    answer: Promise.resolve(home.app.request(path, init)),
    home,
    tokenId,
    send: (text) => {
      writer.write(new TextEncoder().encode(text)).catch(() => undefined);
    },
    end: () => {
      writer.close().catch(() => undefined);
    },
  };
}

test.each([
  ['PUT', '/api/stores/acme/blog/entries/a', 'application/json'],
  ['POST', '/api/stores/acme/blog/transact', 'application/json'],
  ['POST', '/api/stores', 'application/json'],
  ['POST', '/api/stores/acme/blog/import?headerless=slash', 'application/x-ndjson'],
  ['PUT', '/api/stores/acme/blog/files/a', 'text/plain'],
])('slowloris: the body of %s %s that stops coming is answered 408', async (method, path, type) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const { answer, send } = await stalled(method, path, type);
    send('{"path"');
    await vi.advanceTimersByTimeAsync(29_999);
    send(':"a",');
    await vi.advanceTimersByTimeAsync(60_001);
    const { status, headers } = await answer;
    expect([status, headers.get('connection')]).toEqual([408, 'close']);
  } finally {
    vi.useRealTimers();
  }
});

test('slowloris: a body of JSON that comes byte by byte has two minutes for all of it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const path = '/api/stores/acme/blog/entries/a';
    const { answer, send } = await stalled('PUT', path, 'application/json');
    for (let second = 0; second < 120; second += 10) {
      send(' ');
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect((await answer).status).toBe(408);
  } finally {
    vi.useRealTimers();
  }
});

const more = { name: 'more', org: 'acme', scopes: ['entries:read'], store_access: { mode: 'all' } };

test.each([
  ['PUT', '/api/stores/acme/blog/entries/a', 1],
  ['POST', '/api/stores/acme/blog/transact', { ops: [{ op: 'set', path: 'a', value: 1 }] }],
  ['POST', '/api/stores/acme/blog/entries/batch', { paths: ['a'] }],
  ['POST', '/api/stores', { name: 'acme/more' }],
  ['POST', '/api/tokens', more],
  ['POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'ping' }],
])(
  'S101 the body of %s %s does nothing where its token was revoked while it came',
  async (method, path, body) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const { answer, home, tokenId, send, end } = await stalled(method, path, 'application/json');
      send(' ');
      await vi.advanceTimersByTimeAsync(1500);
      await home.tokens.revoke(tokenId);
      send(JSON.stringify(body));
      end();
      expect((await answer).status).toBe(401);
      const { ask } = await home.token();
      expect((await ask('GET', '/api/stores/acme/blog/entries/a')).status).toBe(404);
      expect((await ask('GET', '/api/stores/acme/more')).status).toBe(404);
      expect(await home.tokens.list('acme')).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  },
);

test.each([
  ['POST', '/api/stores/acme/blog/import?headerless=slash', 'application/x-ndjson'],
  ['POST', '/api/stores/acme/blog/import?headerless=slash&mode=atomic', 'application/x-ndjson'],
  ['PUT', '/api/stores/acme/blog/files/a', 'text/plain'],
])(
  'S101 the body of %s %s that goes on after its token was revoked is read no further',
  async (method, path, type) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const { answer, home, tokenId, send } = await stalled(method, path, type);
      const heard: number[] = [];
      void answer.then((response) => heard.push(response.status));
      const drip = async (): Promise<void> => {
        send('no line\n');
        await vi.advanceTimersByTimeAsync(6000);
        await new Promise(setImmediate);
      };
      for (let i = 0; i < 30; i++) await drip();
      expect(heard).toEqual([]);
      await home.tokens.revoke(tokenId);
      while (heard.length === 0) await drip();
      expect(heard).toEqual([401]);
    } finally {
      vi.useRealTimers();
    }
  },
);

test.each([
  ['GET', 'entries/a', undefined],
  ['GET', 'entries', undefined],
  ['POST', 'entries/batch', { paths: ['a'] }],
  ['GET', 'log', undefined],
  ['GET', 'diff?from_seq=0', undefined],
  ['GET', 'export', undefined],
  ['GET', 'explain?path=a', undefined],
  ['GET', 'files/a', undefined],
  ['PUT', 'entries/a', 1],
  ['POST', 'entries', { path: 'a', value: 1 }],
  ['DELETE', 'entries/a', undefined],
  ['POST', 'entries/batch_write', { ops: [{ op: 'set', path: 'a', value: 1 }] }],
  ['POST', 'transact', { ops: [{ op: 'set', path: 'a', value: 1 }] }],
  ['POST', 'rollback', { to_seq: 0 }],
  ['POST', 'clone', { name: 'more' }],
  ['DELETE', 'files/a', undefined],
])(
  'S101 %s %s does nothing where its token was revoked while its store was being opened',
  async (method, path, body) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const home = new World({ limits: defaultLimits });
      await home.store('acme/blog');
      const { ask, id } = await home.token();
      const open = home.storage.open.bind(home.storage);
      const isRead = deferred<void>();
      home.storage.open = async (store) => {
        await isRead.promise;
        return open(store);
      };
      const answer = ask(method, `/api/stores/acme/blog/${path}`, body);
      await vi.advanceTimersByTimeAsync(2500);
      await home.tokens.revoke(id);
      await vi.advanceTimersByTimeAsync(5500);
      isRead.resolve();
      expect((await answer).status).toBe(401);
    } finally {
      vi.useRealTimers();
    }
  },
);

/** Reads an answer a piece each six seconds, and does something after each; how much there was. */
async function slowly(
  { body }: Response,
  meanwhile: () => unknown = () => undefined,
): Promise<number> {
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.byteLength;
    await meanwhile();
    await vi.advanceTimersByTimeAsync(6000);
  }
  return size;
}

test.each([
  ['/api/stores/acme/blog/files/a', {}],
  ['/api/stores/acme/blog/files/a', { Range: 'bytes=1-' }],
  ['/api/stores/acme/blog/files/a', { Range: 'bytes=0-1,3-' }],
  ['/api/files/sha256:HASH', {}],
])(
  'S101 what %s answers with %j is sent no further where its reader is shut out meanwhile',
  async (path, range) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const home = new World();
      await home.store('acme/blog');
      const { id, raw } = await home.token();
      const authorization = `Bearer ${raw}`;
      const pieces = Array.from({ length: 8 }, () => new Uint8Array(100));
      const body = new ReadableStream({
        pull: (controller) => {
          const piece = pieces.pop();
          if (piece === undefined) controller.close();
          else controller.enqueue(piece);
        },
      });
      const put = { method: 'PUT', body, headers: { authorization }, duplex: 'half' };
      const made = await home.app.request('/api/stores/acme/blog/files/a', put);
      const { hash } = (await made.json()) as { readonly hash: string };
      const url = path.replace('sha256:HASH', hash);
      const asked = (): Promise<Response> =>
        Promise.resolve(home.app.request(url, { headers: { authorization, ...range } }));
      expect(await slowly(await asked())).toBeGreaterThan(790);
      const shutOut = slowly(await asked(), () => home.tokens.revoke(id));
      await expect(shutOut).rejects.toThrow('unauthorized');
    } finally {
      vi.useRealTimers();
    }
  },
);

/** Answers of some megabytes. */
const longAnswers = [
  ['an export', 'export?format=jsonl'],
  ['a database', 'export?format=sqlite'],
  ['an archive', 'export?format=tar'],
  ['a map', 'entries/all'],
  ['a map of then', 'entries/all?at_seq=25'],
  ['a listing', 'entries'],
  ['a diff', 'diff?from_seq=0'],
  ['the log', 'log'],
] as const;

test.each(
  longAnswers.flatMap(([what, path]) => [
    [what, 'its reader is shut out', path] as const,
    [what, 'its store is purged', path] as const,
  ]),
)('S101 of %s no more is sent where %s meanwhile', async (_what, why, path) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const home = new World({ limits: defaultLimits });
    const store = await home.store('acme/blog');
    const { id, raw, ask } = await home.token();
    for (let at = 0; at < 25; at += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await ask('PUT', `/api/stores/acme/blog/entries/all/k${at}/text`, 'x'.repeat(60_000));
    }
    const url = `/api/stores/acme/blog/${path}`;
    const asked = (): Promise<Response> =>
      Promise.resolve(home.app.request(url, { headers: { authorization: `Bearer ${raw}` } }));
    expect(await slowly(await asked())).toBeGreaterThan(1_500_000);
    const end = (): Promise<unknown> =>
      why === 'its store is purged' ? home.storage.stores.purge(store.id) : home.tokens.revoke(id);
    await expect(slowly(await asked(), end)).rejects.toThrow('unauthorized');
  } finally {
    vi.useRealTimers();
  }
});

test('an upload that stops halfway leaves no file behind', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const home = new World({ limits: defaultLimits });
    await home.store('acme/blog');
    const { raw, ask } = await home.token();
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('half of')),
    });
    const headers = { authorization: `Bearer ${raw}`, 'content-type': 'text/plain' };
    const path = '/api/stores/acme/blog/files/report';
    const init = { method: 'PUT', body, headers, duplex: 'half' };
    const answer = home.app.request(path, init);
    await vi.advanceTimersByTimeAsync(60_001);
    expect((await answer).status).toBe(408);
    expect((await ask('GET', path)).status).toBe(404);
  } finally {
    vi.useRealTimers();
  }
});
