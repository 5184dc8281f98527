import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { World } from './world.ts';

const home = mkdtempSync(join(tmpdir(), 'holdfast-console-'));
const directory = join(home, 'dist');
const world = new World({ consoleDirectory: directory });
const get = (path: string) => world.app.request(`http://holdfast.example:7070${path}`);

beforeAll(() => {
  mkdirSync(join(directory, 'assets'), { recursive: true });
  mkdirSync(join(home, 'dist-private'));
  writeFileSync(join(home, 'secret.txt'), 'secret');
  writeFileSync(join(home, 'dist-private', 'secret.txt'), 'secret');
  writeFileSync(join(directory, '.env'), 'secret');
  writeFileSync(join(directory, 'index.html'), '<title>console</title>');
  writeFileSync(join(directory, 'logo.svg'), '<svg/>');
  writeFileSync(join(directory, 'assets', 'index-B4x_9zQ1.js'), 'run()');
  writeFileSync(join(directory, 'assets', 'plain.css'), 'p{}');
  symlinkSync(join(home, 'secret.txt'), join(directory, 'link.txt'));
  symlinkSync(join(home, 'dist-private'), join(directory, 'linked'));
});
afterAll(() => rmSync(home, { recursive: true }));

describe('the console', () => {
  test('its page is asked for anew each time, its hashed assets are kept', async () => {
    const page = await get('/');
    expect(await page.text()).toBe('<title>console</title>');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const script = await get('/assets/index-B4x_9zQ1.js');
    expect(await script.text()).toBe('run()');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const style = await get('/assets/plain.css');
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8');
    expect(style.headers.get('cache-control')).toBe('no-cache');
    expect((await get('/logo.svg')).headers.get('content-type')).toBe('image/svg+xml');
  });

  test('it may load and connect to its own server only', async () => {
    const { headers } = await get('/');
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain(
      "connect-src 'self' ws://holdfast.example:7070 wss://holdfast.example:7070",
    );
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  test.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/..%5csecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/%2e%2e%2fdist-private%2fsecret.txt',
    '/link.txt',
    '/linked/secret.txt',
    '/.env',
    '/%2eenv',
    '/index.html%00.js',
    '/assets',
    '/assets/',
    '//etc/passwd',
    '/%2fetc%2fpasswd',
    '/%zz',
    `/${'a'.repeat(5000)}`,
    '/nothing.js',
  ])('%s leads nowhere', async (path) => {
    const response = await get(path);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: 'not_found' });
  });

  test.each([
    ['no directory is given', {}],
    ['the directory is missing', { consoleDirectory: join(home, 'none') }],
  ])('the page says what to do where %s', async (_, deps) => {
    const response = await new World(deps).app.request('/');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const says = await response.text();
    // Who has installed the packages cannot build them.
    for (const way of ['holdfast serve', 'npm run build']) expect(says).toContain(way);
  });

  test('the API is not shadowed by files', async () => {
    mkdirSync(join(directory, 'api'), { recursive: true });
    writeFileSync(join(directory, 'api', 'nothing'), 'x');
    expect((await get('/api/nothing')).status).toBe(404);
  });
});
