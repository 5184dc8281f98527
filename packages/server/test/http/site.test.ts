import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { World } from './world.ts';

const home = mkdtempSync(join(tmpdir(), 'holdfast-site-'));
const directory = join(home, 'dist');
const { app } = new World({ site: directory });
const { app: routed } = new World({
  site: {
    directory,
    fallback: 'index.html',
    headers: { 'Content-Security-Policy': 'mine', 'X-A': 'b' },
  },
});
const program = 'console.log("hello from a script of some length");\n'.repeat(100);
// As long, and as old.
const otherProgram = program.replaceAll('hello', 'hullo');
const at = 'http://holdfast.example:7070';
const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  app.request(at + path, { method, headers });
const browse = (path: string) =>
  routed.request(at + path, { headers: { Accept: 'text/html,*/*;q=0.8' } });

beforeAll(() => {
  mkdirSync(join(directory, 'assets'), { recursive: true });
  mkdirSync(join(directory, 'guide'));
  mkdirSync(join(directory, '.well-known'));
  writeFileSync(join(home, 'secret.txt'), 'secret');
  writeFileSync(join(directory, '.env'), 'secret');
  writeFileSync(join(directory, 'index.html'), '<title>mine</title>');
  writeFileSync(join(directory, 'Größe 1.txt'), 'ten');
  writeFileSync(join(directory, 'guide', 'index.html'), '<title>guide</title>');
  writeFileSync(join(directory, '.well-known', 'x.json'), '{}');
  writeFileSync(join(directory, 'assets', 'index-B4x_9zQ1.js'), 'run()');
  writeFileSync(join(directory, 'film.mp4'), '0123456789');
  writeFileSync(join(directory, 'assets', 'app-C5y_8wR2.js'), program);
  writeFileSync(join(directory, 'assets', 'app-D6z_7vS3.js'), otherProgram);
  for (const name of ['app-C5y_8wR2.js', 'app-D6z_7vS3.js']) {
    utimesSync(join(directory, 'assets', name), 1_700_000_000, 1_700_000_000);
  }
  writeFileSync(join(directory, 'large.bin'), new Uint8Array(200_000).fill(7));
  utimesSync(join(directory, 'film.mp4'), 1_700_000_000.5, 1_700_000_000.5);
  symlinkSync(join(home, 'secret.txt'), join(directory, 'link.txt'));
});
afterAll(() => rmSync(home, { recursive: true }));

describe('a site', () => {
  test('shows its pages, asked for anew each time, and keeps what has the hash of its content in its name', async () => {
    const page = await get('/');
    expect(await page.text()).toBe('<title>mine</title>');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const script = await get('/assets/index-B4x_9zQ1.js');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(await (await get('/Gr%C3%B6%C3%9Fe%201.txt')).text()).toBe('ten');
    expect((await get('/.well-known/x.json')).status).toBe(200);
    expect((await (await get('/large.bin')).arrayBuffer()).byteLength).toBe(200_000);
  });

  test('shows the page of a directory, with a slash at its end', async () => {
    const moved = await get('/guide?a=1');
    expect([moved.status, moved.headers.get('location')]).toEqual([301, '/guide/?a=1']);
    expect(await (await get('/guide/')).text()).toBe('<title>guide</title>');
  });

  test('what is known is not sent again, by its tag or by its date', async () => {
    const { headers } = await get('/film.mp4');
    const tag = headers.get('etag') ?? '';
    expect(headers.get('last-modified')).toBe('Tue, 14 Nov 2023 22:13:20 GMT');
    for (const known of [
      { 'If-None-Match': tag },
      { 'If-None-Match': `"x", W/${tag}` },
      { 'If-Modified-Since': 'Tue, 14 Nov 2023 22:13:20 GMT' },
    ]) {
      const answer = await get('/film.mp4', known);
      expect([answer.status, await answer.text(), answer.headers.get('etag')]).toEqual([
        304,
        '',
        tag,
      ]);
    }
    for (const other of [
      { 'If-None-Match': '"x"', 'If-Modified-Since': 'Tue, 14 Nov 2023 22:13:20 GMT' },
      { 'If-Modified-Since': 'Tue, 14 Nov 2023 22:13:19 GMT' },
      { 'If-Modified-Since': 'never' },
    ]) {
      expect((await get('/film.mp4', other)).status).toBe(200);
    }
  });

  test('of a large file any part can be asked for', async () => {
    const { headers } = await get('/film.mp4');
    const part = await get('/film.mp4', { Range: 'bytes=2-4' });
    expect([part.status, await part.text()]).toEqual([206, '234']);
    expect(part.headers.get('content-range')).toBe('bytes 2-4/10');
    expect(part.headers.get('content-length')).toBe('3');
    expect(await (await get('/film.mp4', { Range: 'bytes=-3' })).text()).toBe('789');
    const beyond = await get('/film.mp4', { Range: 'bytes=10-' });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */10']);
    for (const whole of [
      { Range: 'bytes=0-1,4-5' },
      { Range: 'bytes=2-4', 'If-Range': '"another"' },
      { Range: 'lines=1-2' },
    ]) {
      const answer = await get('/film.mp4', whole);
      expect([answer.status, await answer.text()]).toEqual([200, '0123456789']);
    }
    const same = { Range: 'bytes=0-0', 'If-Range': headers.get('etag') ?? '' };
    expect((await get('/film.mp4', same)).status).toBe(206);
  });

  test.each([
    ['gzip, deflate, br, zstd', 'br', brotliDecompressSync],
    ['br;q=0.5, GZIP;q=0.9', 'gzip', gunzipSync],
    ['br;q=0, *', 'gzip', gunzipSync],
  ] as const)('text travels compressed to who can read it: %s', async (accepted, coding, read) => {
    const answer = await get('/assets/app-C5y_8wR2.js', { 'Accept-Encoding': accepted });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(read(bytes).toString()).toBe(program);
    expect(bytes.byteLength).toBeLessThan(program.length / 10);
    const told = (name: string) => answer.headers.get(name);
    expect([answer.status, told('content-encoding'), told('vary')]).toEqual([
      200,
      coding,
      'Accept-Encoding',
    ]);
    expect(told('content-length')).toBe(String(bytes.byteLength));
    expect(told('content-type')).toBe('text/javascript; charset=utf-8');
    expect(told('cache-control')).toContain('immutable');
  });

  test('what is short, or compressed already, or asked for by who cannot read it, travels as it is', async () => {
    const all = { 'Accept-Encoding': 'gzip, br' };
    for (const path of ['/', '/large.bin', '/film.mp4']) {
      const { headers } = await get(path, all);
      expect([headers.get('content-encoding'), headers.get('vary')]).toEqual([null, null]);
    }
    for (const accepted of ['', 'identity', 'br;q=0, gzip;q=0.0', 'zstd', 'br;q=nothing']) {
      const answer = await get('/assets/app-C5y_8wR2.js', { 'Accept-Encoding': accepted });
      // Whoever keeps it for others has to know that they may get something else.
      expect(answer.headers.get('vary')).toBe('Accept-Encoding');
      expect(answer.headers.get('content-encoding')).toBeNull();
      expect(await answer.text()).toBe(program);
    }
  });

  test('each form has a tag of its own, and no file is sent for another of its age and length', async () => {
    const path = '/assets/app-C5y_8wR2.js';
    const tags = new Set<string>();
    for (const accepted of ['br', 'gzip', 'identity']) {
      const asked = { 'Accept-Encoding': accepted };
      const tag = (await get(path, asked)).headers.get('etag') ?? '';
      tags.add(tag);
      const known = await get(path, { ...asked, 'If-None-Match': tag });
      expect([known.status, known.headers.get('etag'), known.headers.get('vary')]).toEqual([
        304,
        tag,
        'Accept-Encoding',
      ]);
      expect(known.headers.get('content-encoding')).toBeNull();
      const other = accepted === 'br' ? 'gzip' : 'br';
      const asOther = { 'Accept-Encoding': other, 'If-None-Match': tag };
      expect((await get(path, asOther)).status).toBe(200);
    }
    expect(tags.size).toBe(3);
    const twin = await get('/assets/app-D6z_7vS3.js', { 'Accept-Encoding': 'br' });
    expect(brotliDecompressSync(await twin.arrayBuffer()).toString()).toBe(otherProgram);
  });

  test('parts are of the bytes as they are, also where the whole travels compressed', async () => {
    const path = '/assets/app-C5y_8wR2.js';
    const asked = { 'Accept-Encoding': 'br' };
    const coded = (await get(path, asked)).headers.get('etag') ?? '';
    const part = await get(path, { ...asked, Range: 'bytes=0-6' });
    expect([part.status, await part.text()]).toEqual([206, 'console']);
    expect(part.headers.get('content-encoding')).toBeNull();
    expect(part.headers.get('content-range')).toBe(`bytes 0-6/${program.length}`);
    // Who has a part of the other form gets all of this one.
    const mixed = await get(path, { ...asked, Range: 'bytes=0-6', 'If-Range': coded });
    expect([mixed.status, mixed.headers.get('etag') === coded]).toEqual([200, false]);
    expect(await mixed.text()).toBe(program);
  });

  test('a file that has become another is compressed anew', async () => {
    for (const text of ['a'.repeat(2000), 'b'.repeat(2001)]) {
      writeFileSync(join(directory, 'news.txt'), text);
      const answer = await get('/news.txt', { 'Accept-Encoding': 'gzip' });
      expect(gunzipSync(await answer.arrayBuffer()).toString()).toBe(text);
    }
  });

  test('HEAD tells what GET would send', async () => {
    const answer = await get('/film.mp4', {}, 'HEAD');
    expect([answer.status, await answer.text(), answer.headers.get('content-length')]).toEqual([
      200,
      '',
      '10',
    ]);
    const asked = { 'Accept-Encoding': 'br' };
    const path = '/assets/app-C5y_8wR2.js';
    const [head, whole] = [await get(path, asked, 'HEAD'), await get(path, asked)];
    expect(await head.text()).toBe('');
    for (const each of [head, whole]) each.headers.delete('x-request-id');
    expect([...head.headers]).toEqual([...whole.headers]);
  });

  test('with a fallback, pages that there are none of show it, and missing scripts are missing', async () => {
    const page = await browse('/boards/7?x');
    expect([page.status, await page.text()]).toEqual([200, '<title>mine</title>']);
    expect(page.headers.get('content-security-policy')).toBe('mine');
    expect(page.headers.get('x-a')).toBe('b');
    expect((await routed.request(`${at}/assets/gone-12345678.js`)).status).toBe(404);
    expect((await browse('/api/nothing')).status).toBe(404);
    expect((await get('/boards/7', { Accept: 'text/html' })).status).toBe(404);
  });

  test('a fallback may be written as the path that it has', async () => {
    const { app: rooted } = new World({ site: { directory, fallback: '/guide/index.html' } });
    const page = await rooted.request(`${at}/boards/7`, { headers: { Accept: 'text/html' } });
    expect([page.status, await page.text()]).toEqual([200, '<title>guide</title>']);
  });

  test.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/..%5csecret.txt',
    '/%252e%252e%252fsecret.txt',
    '/guide/..%2f..%2fsecret.txt',
    '/link.txt',
    '/.env',
    '/guide/.well-known/x.json',
    '/index.html%00.js',
    '/film.mp4/',
    '//etc/passwd',
    '/%2fetc%2fpasswd',
    '/C:%5cwindows',
    '/%zz',
    `/${'a'.repeat(5000)}`,
  ])('%s leads nowhere', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  test('is given to a server by a name of its own, and not together with the console', async () => {
    expect(() => createServer({ console: directory, site: directory })).toThrow(/"site"/);
    const server = createServer({ storage: memory(), site: { directory } });
    onTestFinished(() => server.close({ retryAfterMs: 0 }));
    const { url } = await server.listen();
    const page = await fetch(url, { headers: { Range: 'bytes=1-5' } });
    expect([page.status, await page.text()]).toEqual([206, 'title']);
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '19']);
  });
});
