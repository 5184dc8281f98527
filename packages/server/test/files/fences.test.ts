import { expect, test } from 'vitest';
import { write } from '../conversation/talk.ts';
import { type Call, hashOf, pieceHeaders, site, told } from './site.ts';

const text = 'Hello, files.';

function under(key: string, held: number | string): string {
  return `a?fence=${encodeURIComponent(`${key}:${held}`)}`;
}

test('S46 a file is written and removed under a lease while it is held, whole or in pieces, and refused with `fenced` else', async () => {
  const { call, joined } = await site();
  const peer = await joined();
  const lease = await write(peer, 'lease', 'jobs/größe', { ttl_ms: 60_000 });
  const token = Number(lease.response['token']);
  const [held, lost] = [under('jobs/größe', token), under('jobs/größe', token + 1)];
  const sent = async (path: string, call1: Call): Promise<unknown> => {
    const [status, json] = await told(await call(path, call1));
    return [status, json['error'] ?? json['store_seq'] ?? json['received']];
  };
  const put = { method: 'PUT', body: text };
  const empty = { method: 'PUT', headers: pieceHeaders(hashOf(text), `*/${text.length}`) };
  expect(await sent(lost, put)).toEqual([409, 'fenced']);
  for (const junk of [under('a//b', 1), under('', 1), under('jobs', ''), under('jobs', '1.5')]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect([junk, await sent(junk, put)]).toEqual([junk, [400, 'invalid_precondition']]);
  }
  expect(await sent(held, put)).toEqual([201, 2]);
  expect(await sent(lost, empty)).toEqual([409, 'fenced']);
  expect(await sent(held, empty)).toEqual([200, 3]);
  expect(await sent(lost, { method: 'DELETE' })).toEqual([409, 'fenced']);
  const once = { 'idempotency-key': 'k' };
  expect(await sent(held, { method: 'DELETE', headers: once })).toEqual([200, 4]);
  await write(peer, 'release', 'jobs/größe', { token });
  expect(await sent(held, put)).toEqual([409, 'fenced']);
  expect(await sent(held, { method: 'DELETE', headers: once })).toEqual([200, 4]);
  expect(await sent('a', { method: 'DELETE', headers: once })).toEqual([
    422,
    'idempotency_key_reuse',
  ]);
});
