import { describe, expect, test } from 'vitest';
import { put } from '../conversation/talk.ts';
import { hashOf, site, type Site, told } from './site.ts';

const text = 'The quick brown fox jumps over the lazy dog.';
const etag = `"${hashOf(text)}"`;

async function withFile(contentType = 'text/plain', path = 'docs/fox'): Promise<Site> {
  const place = await site();
  const headers = { 'content-type': contentType };
  const answer = await place.call(path, { method: 'PUT', body: text, headers });
  expect(answer.status).toBe(201);
  return place;
}

async function parts(answer: Response): Promise<readonly (readonly [string, string])[]> {
  const boundary = /boundary=(\w+)/.exec(answer.headers.get('content-type') ?? '')?.[1] ?? '';
  const body = await answer.text();
  expect(body.length).toBe(Number(answer.headers.get('content-length')));
  const pieces = body.split(`\r\n--${boundary}`).slice(1, -1);
  return pieces.map((piece) => {
    const [head = '', content = ''] = piece.split('\r\n\r\n');
    return [/Content-Range: (.*)/.exec(head)?.[1] ?? '', content] as const;
  });
}

describe('downloads', () => {
  test('S100 the whole comes with its length, its tag, and the offer of ranges; HEAD tells the same without it', async () => {
    const { call } = await withFile();
    const whole = await call('docs/fox');
    const head = await call('docs/fox', { method: 'HEAD' });
    for (const answer of [whole, head]) {
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe(String(text.length));
      expect(answer.headers.get('etag')).toBe(etag);
      expect(answer.headers.get('accept-ranges')).toBe('bytes');
      expect(answer.headers.get('cache-control')).toBe('private, no-cache');
      expect(answer.headers.get('vary')).toContain('Authorization');
    }
    expect(await whole.text()).toBe(text);
    expect(await head.text()).toBe('');
  });

  test.each([
    ['bytes=0-2', 0, 3],
    ['bytes=40-', 40, 44],
    ['bytes=-4', 40, 44],
    ['bytes=-100', 0, 44],
    ['bytes=43-99', 43, 44],
    ['Bytes=0-0', 0, 1],
    ['bytes=99-, 4-6', 4, 7],
  ])('S100 %s is answered with that part', async (range, start, end) => {
    const { call } = await withFile();
    const answer = await call('docs/fox', { headers: { range } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/44`);
    expect(answer.headers.get('content-length')).toBe(String(end - start));
    expect(await answer.text()).toBe(text.slice(start, end));
    const head = await call('docs/fox', { method: 'HEAD', headers: { range } });
    expect([head.status, head.headers.get('content-length')]).toEqual([206, String(end - start)]);
  });

  test('S100 several ranges are answered in one, each with its place', async () => {
    const { call } = await withFile();
    const answer = await call('docs/fox', { headers: { range: 'bytes=4-8, 0-2,-4' } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-type')).toMatch(/^multipart\/byteranges; boundary=/);
    expect(await parts(answer)).toEqual([
      ['bytes 4-8/44', 'quick'],
      ['bytes 0-2/44', 'The'],
      ['bytes 40-43/44', 'dog.'],
    ]);
  });

  test.each(['bytes=44-', 'bytes=100-200, 300-', 'bytes=-0'])(
    'S100 %s is nowhere: 416',
    async (range) => {
      const { call } = await withFile();
      const answer = await call('docs/fox', { headers: { range } });
      expect(answer.status).toBe(416);
      expect(answer.headers.get('content-range')).toBe('bytes */44');
      expect(answer.headers.get('content-disposition')).toBeNull();
    },
  );

  test.each([
    'bytes=5-2',
    'bytes=a-b',
    'chars=0-2',
    'bytes=',
    'bytes=0-43, 0-43',
    `bytes=${Array.from({ length: 17 }, (_, at) => `${at}-${at}`).join()}`,
  ])('S100 %s asks for nothing sensible, and gets the whole', async (range) => {
    const { call } = await withFile();
    const answer = await call('docs/fox', { headers: { range } });
    expect([answer.status, await answer.text()]).toEqual([200, text]);
  });

  test('S100 If-Range gives the part of what is known, and the whole of anything else', async () => {
    const { call } = await withFile();
    const statusOf = async (tag: string): Promise<number> =>
      (await call('docs/fox', { headers: { range: 'bytes=0-2', 'if-range': tag } })).status;
    expect(await statusOf(etag)).toBe(206);
    expect(await statusOf('"sha256:00"')).toBe(200);
    expect(await statusOf(`W/${etag}`)).toBe(200);
    expect(await statusOf('Sat, 21 Nov 2026 07:00:00 GMT')).toBe(200);
  });

  test('S100 who has the content already gets 304 and no bytes', async () => {
    const { call } = await withFile();
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await call('docs/fox', { headers: { 'if-none-match': tag } });
      expect([answer.status, answer.headers.get('etag'), await answer.text()]).toEqual([
        304,
        etag,
        '',
      ]);
    }
    expect((await call('docs/fox', { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
  });

  test.each([
    ['text/html', 'attachment'],
    ['image/svg+xml', 'attachment'],
    ['IMAGE/SVG+XML; charset=utf-8', 'attachment'],
    ['application/xhtml+xml', 'attachment'],
    ['application/octet-stream', 'attachment'],
    ['text/javascript', 'attachment'],
    ['image/png', 'inline'],
    ['video/mp4', 'inline'],
    ['audio/ogg', 'inline'],
    ['application/pdf', 'inline'],
    ['text/plain; charset=utf-8', 'inline'],
  ])('S100 %s comes as %s, with nosniff, in a sandbox (P66)', async (contentType, disposition) => {
    const { call } = await withFile(contentType);
    const { headers } = await call('docs/fox');
    expect(headers.get('content-type')).toBe(contentType);
    expect(headers.get('content-disposition')).toBe(disposition);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe('sandbox');
  });

  test('names and types that an entry may hold never break a header', async () => {
    const { call, joined } = await withFile();
    const peer = await joined();
    const values = { hash: hashOf(text), size: 44, uploaded_at: '2026-01-01T00:00:00Z' };
    await put(peer, 'odd', {
      _type: 'file',
      ...values,
      content_type: 'text/html\r\nSet-Cookie: x=1',
      filename: '../"é\r\n%00;.html',
    });
    const { headers } = await call('odd');
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('content-type')).toBe('application/octet-stream');
    expect(headers.get('content-disposition')).toBe(
      `attachment; filename="../_____00;.html"; filename*=UTF-8''..%2F%22%C3%A9%0D%0A%2500%3B.html`,
    );
  });

  test.each([
    // A browser that takes several for a list shows the last, so as a page what is called a text.
    ['text/plain; a, text/html', 'text/plain', 'inline'],
    ['text/plain; charset="utf-8', 'text/plain', 'inline'],
    ['text/plain; charset="a"b', 'text/plain', 'inline'],
    ['text/plain\r\n; a=b', 'application/octet-stream', 'attachment'],
    ['text/plain, text/html', 'application/octet-stream', 'attachment'],
    [
      'video/mp4; codecs="avc1.4d, mp4a\\"" ;b=c',
      'video/mp4; codecs="avc1.4d, mp4a\\"" ;b=c',
      'inline',
    ],
  ])('a file whose entry says %j comes as %j, %s', async (said, given, disposition) => {
    const { call, joined } = await withFile();
    const peer = await joined();
    const values = { hash: hashOf(text), size: 44, uploaded_at: '2026-01-01T00:00:00Z' };
    await put(peer, 'odd', { _type: 'file', ...values, content_type: said, filename: null });
    const { status, headers } = await call('odd');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe(given);
    expect(headers.get('content-disposition')).toBe(disposition);
  });

  test('what is no file is not found, with and without something at the path', async () => {
    const { call, joined } = await withFile();
    const peer = await joined();
    await put(peer, 'plain', 'text');
    for (const path of ['plain', 'docs', 'nothing']) {
      expect(await told(await call(path))).toEqual([404, { error: 'not_found' }]);
    }
    expect((await call('/api/stores/demo/none/files/docs/fox')).status).toBe(404);
    expect((await call('/api/stores/other/main/files/docs/fox')).status).toBe(404);
  });

  test('a path that a URL would fold is told in the query', async () => {
    const { call } = await site();
    const at = '/api/stores/demo/main/file?path=a%2F..%2Fb~1c';
    expect((await call(at, { method: 'PUT', body: text })).status).toBe(201);
    expect(await (await call(at)).text()).toBe(text);
    expect((await call('a/b~1c')).status).toBe(404);
    expect((await call(at, { method: 'DELETE' })).status).toBe(200);
    expect((await call(at)).status).toBe(404);
  });

  test('S97 knowing a hash grants nothing: it takes an entry that one may read (P64)', async () => {
    const tokens = {
      elsewhere: { storeAccess: { mode: 'selected', storeIds: ['x'] } },
      writer: { scopes: new Set(['files:write'] as const) },
      outside: { pathRules: [{ pattern: 'public/**', allow: ['read'] }] },
      stranger: { orgs: ['other'] },
    } as const;
    const { call } = await site({}, tokens);
    const hash = hashOf(text);
    const headers = { 'content-type': 'image/png' };
    await call('docs/fox?filename=fox.png', { method: 'PUT', body: text, headers });
    const at = `/api/files/${hash}`;
    const answer = await call(at);
    expect(await answer.text()).toBe(text);
    expect(answer.headers.get('content-type')).toBe('image/png');
    expect(answer.headers.get('content-disposition')).toContain('fox.png');
    const refusal = async (token: string): Promise<unknown> =>
      (await told(await call(at, { token })))[1];
    expect(await refusal('elsewhere')).toMatchObject({
      error: 'forbidden',
      reason: 'store_not_allowed',
    });
    expect(await refusal('writer')).toMatchObject({ reason: 'missing_scope', scope: 'files:read' });
    expect(await refusal('outside')).toMatchObject({ reason: 'path_not_allowed' });
    expect(await refusal('stranger')).toEqual({ error: 'not_found' });
    // Nor whether there is such content where one may not look.
    for (const token of ['elsewhere', 'outside', 'stranger']) {
      for (const query of ['', '?store=demo/main', '?store=other/main', '?path=public/fox']) {
        const [, known] = await told(await call(`${at}${query}`, { token }));
        const unknown = await call(`/api/files/${hashOf('other')}${query}`, { token });
        expect([token, query, (await told(unknown))[1]]).toEqual([token, query, known]);
      }
    }
    expect((await call(`/api/files/${hashOf('other')}`)).status).toBe(404);
    expect((await call('/api/files/..%2f..%2fetc%2fpasswd')).status).toBe(404);
    // The entry that the headers come from can be named.
    await call('public/fox', {
      method: 'PUT',
      body: text,
      headers: { 'content-type': 'text/plain' },
    });
    const named = await call(`${at}?store=demo/main&path=public/fox`, { token: 'outside' });
    expect([named.status, named.headers.get('content-type')]).toEqual([200, 'text/plain']);
    expect((await call(`${at}?path=docs/nothing`)).status).toBe(404);
    // Whether some content is at a path, is for those to know who may read there.
    for (const content of [text, 'other']) {
      const guess = await call(`/api/files/${hashOf(content)}?path=docs/fox`, { token: 'outside' });
      expect(await told(guess)).toMatchObject([403, { reason: 'path_not_allowed' }]);
    }
    // Nor does an upload by one who may not read.
    expect((await call('docs/fox', { token: 'outside' })).status).toBe(403);
  });
});
