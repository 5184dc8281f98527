import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { world } from '../conversation/world.ts';
import { Raw } from './raw.ts';

const secret = 'nobody may read this';

/** A directory in which the data and the console of a server lie beside what is none of their business. */
async function home() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-escape-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'console'));
  writeFileSync(join(folder, 'console', 'index.html'), '<title>console</title>');
  writeFileSync(join(folder, 'secret.txt'), secret);
  const served = await world({ data: join(folder, 'data'), console: join(folder, 'console') });
  return { folder, ...served };
}

const ways = [
  '../secret.txt',
  '..%2fsecret.txt',
  '%2e%2e/secret.txt',
  '%2e%2e%2fsecret.txt',
  '..%5csecret.txt',
  '....//secret.txt',
  '..%c0%afsecret.txt',
  '%252e%252e%252fsecret.txt',
  './../secret.txt',
  'assets/../../secret.txt',
  '..;/secret.txt',
  '/secret.txt',
  '..%00/secret.txt',
  'index.html%00/../../secret.txt',
];
const places = [
  '/',
  '/assets/',
  '/api/files/',
  '/api/files/sha256:',
  '/api/stores/demo/main/files/',
  '/api/stores/demo/main/entries/',
  '/api/stores/../',
  '/api/stores/demo/',
];

test('path escape: no way of writing `..` reads a file outside, and none is an error inside', async () => {
  const { url } = await home();
  for (const place of places) {
    for (const way of ways) {
      // Not by fetch, which would fold the dots away.
      const raw = await Raw.open(url);
      raw.say(
        `GET ${place}${way} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer dev\r\nConnection: close\r\n\r\n`,
      );
      const said = await raw.closed();
      expect(said, `${place}${way}`).not.toContain(secret);
      expect(said, `${place}${way}`).toMatch(/^HTTP\/1\.1 [24]\d\d /);
    }
  }
});

test('path escape: whatever a file is called, its bytes lie under their hash, inside the data', async () => {
  const { url, folder } = await home();
  const names = ['../../evil', '/etc/evil', '..\\evil', 'con.txt', 'a\u0000b', '.', '..', '~root'];
  for (const [index, name] of names.entries()) {
    const headers = { authorization: 'Bearer dev', 'content-type': 'text/plain' };
    const at = new URL(`${url}/api/stores/demo/main/file`);
    at.searchParams.set('path', `f${index}`);
    at.searchParams.set('filename', name);
    const answer = await fetch(at, { method: 'PUT', headers, body: `bytes ${index}` });
    expect([200, 201, 400, 422], name).toContain(answer.status);
    at.searchParams.delete('filename');
    at.searchParams.set('path', name);
    await fetch(at, { method: 'PUT', headers, body: `more ${index}` });
  }
  expect(readdirSync(folder).toSorted()).toEqual(['console', 'data', 'secret.txt']);
  const strange = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /evil|con\.txt|root/.test(name),
  );
  expect(strange).toEqual([]);
});

test('path escape: a file comes with a name that no disk and no browser takes for a path or for code', async () => {
  const { url } = await home();
  const headers = { authorization: 'Bearer dev', 'content-type': 'text/html' };
  const at = `${url}/api/stores/demo/main/files/page`;
  const put = `${at}?filename=${encodeURIComponent('../"; x="\r\nSet-Cookie: a=b')}`;
  const status = (await fetch(put, { method: 'PUT', headers, body: '<script>1</script>' })).status;
  expect([201, 400, 422]).toContain(status);
  if (status === 201) {
    const answer = await fetch(at, { headers });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
    expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  }
});
