import fc from 'fast-check';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';

import { redact, redactedLog } from '../../src/access/index.ts';

const issued = `hf_tok_${'Ab3-_9x'.repeat(6)}z`;
const imported = 'dust_tok_q8w7e6r5t4';
const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.SflKxwRJSMeKKF2QT4fwpMeJ';
const opaque = 'correct-horse-battery';

describe('what is logged', () => {
  test.each([issued, imported, jwt])('S10 the token %s is hidden wherever it stands', (token) => {
    for (const text of [
      token,
      `wrong token "${token}" given`,
      `wss://h.example/ws/sync/websocket?capver=4&token=${token}&vsn=2.0.0`,
      `/a/${token}/b`,
      JSON.stringify({ note: token, list: [[token]] }),
      encodeURIComponent(`https://x.example/?next=${token}`),
    ]) {
      expect(redact(text)).not.toContain(token.slice(9));
    }
  });

  test('S10 an opaque token is hidden where its place gives it away', () => {
    for (const text of [
      `/ws/sync/websocket?token=${opaque}&vsn=2.0.0`,
      `/ws/sync/websocket?vsn=2.0.0&%74oken=${opaque}`,
      `?Token=${opaque}#x`,
      `Authorization: Bearer ${opaque}`,
      `authorization=${opaque}`,
      JSON.stringify({ authorization: opaque }),
      JSON.stringify({ headers: { Authorization: `Bearer ${opaque}` } }),
      JSON.stringify({ rawHeaders: ['Authorization', `Bearer ${opaque}`, 'cookie', opaque] }),
      JSON.stringify({ body: JSON.stringify({ token: opaque }) }),
      JSON.stringify({ token: `"quoted" \\ ${opaque}` }),
      JSON.stringify({ cookie: `session=${opaque}; theme=dark` }),
    ]) {
      expect(redact(text), text).not.toContain(opaque);
    }
  });

  test('what is no secret stays as it is', () => {
    for (const text of [
      '/ws/sync/websocket?capver=4&device_id=tab-1&vsn=2.0.0',
      JSON.stringify({ token: 17, token_id: 'f81d4fae', path: 'posts/hello', tokens: ['a'] }),
      'the token is not accepted here',
      'eyJust.a.name? no: version 1.2.3 of file.test.ts'.slice(17),
    ]) {
      expect(redact(text)).toBe(text);
    }
    expect(redact('?a=1&token=x&b=2')).toBe('?a=1&token=[redacted]&b=2');
  });

  test('S10 no token reaches a log, by message, field, error, header, child or URL', () => {
    for (const token of [issued, imported, jwt]) {
      const lines: string[] = [];
      const log = pino(redactedLog, { write: (line: string) => void lines.push(line) });
      const url = `/ws/sync/websocket?token=${token}&vsn=2.0.0`;
      log.info(`upgrade ${url}`);
      log.info({ url, headers: { authorization: `Bearer ${token}` } }, 'upgrade of %s', url);
      log.error(new Error(`no such token: ${token}`));
      log.error({ err: new Error(`bad`, { cause: new Error(url) }), deep: { list: [{ token }] } });
      log.child({ token, socket: { url } }).warn('refused');
      log.warn({ [token]: true }, JSON.stringify({ body: JSON.stringify({ raw_token: token }) }));
      expect(lines).toHaveLength(6);
      expect(lines.join('')).not.toContain(token.slice(9));
      for (const line of lines) expect(JSON.parse(line)).toMatchObject({ pid: process.pid });
    }
  });

  test('a line of JSON is one still, whatever it holds', () => {
    const key = fc.oneof(fc.constantFrom('token', 'authorization', 'url', 'Cookie'), fc.string());
    const text = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom('"', '\\', 'token', ':', '=', '?', '&', ' ', 'Bearer', 'x', ','),
      }),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(text, fc.integer(), fc.array(tie('any')), fc.dictionary(key, tie('any'))),
    })).any;
    fc.assert(
      fc.property(value, (json) => {
        const line = JSON.stringify(json);
        expect(() => JSON.parse(redact(line)) as unknown).not.toThrow();
        expect(() => JSON.parse(redact(JSON.stringify({ line }))) as unknown).not.toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  test('hostile text costs no more than its length', () => {
    const hostile = [
      'eyJ',
      'eyJ.',
      '?',
      '&token',
      '\\',
      '\\"token\\":\\"',
      'token',
      'token ',
      'Bearer ',
      '"',
      'a.',
    ];
    for (const piece of hostile) {
      const text = piece.repeat(Math.ceil(200_000 / piece.length));
      const before = process.cpuUsage();
      redact(text);
      const { user } = process.cpuUsage(before);
      expect(user, piece).toBeLessThan(2_000_000);
    }
  });
});
