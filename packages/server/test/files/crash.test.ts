import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { directory } from '../catch-up/directory.ts';
import { hashOf, pieceHeaders, told } from './site.ts';

const text = 'Hello, files.';
const headers = { authorization: 'Bearer dev' };

/** A server process that stops at a moment of an upload, or at none. */
async function start(data: string, moment: string): Promise<{ child: ChildProcess; at: string }> {
  const child = fork(join(import.meta.dirname, 'crashing.ts'), [data, moment], {
    execArgv: ['--conditions=@holdfast/source'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [message]: unknown[] = await once(child, 'message');
  const { url } = message as { url: string };
  return { child, at: `${url}/api/stores/demo/main/files/a` };
}

/** Where the same content is downloaded by its name. */
function byHashAt(at: string): string {
  return at.replace(/stores\/.*/, `files/${hashOf(text)}`);
}

async function killAt(data: string, moment: string, rest: object): Promise<void> {
  const { child, at } = await start(data, moment);
  const answer = fetch(at, { method: 'PUT', body: text, headers, ...rest }).catch(() => null);
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await answer).toBeNull();
}

test.each(['received', 'complete', 'deciding'])(
  'S98 killed when an upload is %s, neither the entry nor the bytes can be seen, and the upload goes on (P62)',
  async (moment) => {
    const data = directory();
    const piece = { headers: { ...headers, ...pieceHeaders(hashOf(text), '0-12/13') } };
    await killAt(data, moment, piece);
    const { at } = await start(data, 'none');
    expect((await fetch(at, { headers })).status).toBe(404);
    expect((await fetch(byHashAt(at), { headers })).status).toBe(404);
    const rest = { ...headers, ...pieceHeaders(hashOf(text), '*/13') };
    // All bytes were there: none is sent again.
    expect(await told(await fetch(at, { method: 'PUT', headers: rest }))).toMatchObject([
      201,
      { store_seq: 1 },
    ]);
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);

test('S98 killed when an upload is found right, and whose it is was not noted yet, nothing can be seen, and its bytes come again (P62)', async () => {
  const data = directory();
  const piece = { headers: { ...headers, ...pieceHeaders(hashOf(text), '0-12/13') } };
  await killAt(data, 'finished', piece);
  const { at } = await start(data, 'none');
  expect((await fetch(at, { headers })).status).toBe(404);
  expect((await fetch(byHashAt(at), { headers })).status).toBe(404);
  const ask = { ...headers, ...pieceHeaders(hashOf(text), '*/13') };
  // Whoever brought them: others may have asked at the same moment.
  const asked = await fetch(at, { method: 'PUT', headers: ask });
  expect(await told(asked)).toEqual([202, { received: 0 }]);
  const again = await fetch(at, { method: 'PUT', body: text, ...piece });
  expect(await told(again)).toMatchObject([201, { store_seq: 1 }]);
  expect(await (await fetch(at, { headers })).text()).toBe(text);
}, 120_000);

test.each(['received', 'deciding'])(
  'S98 killed when an upload in one is %s, it has left nothing to be seen, and can be made again (P62)',
  async (moment) => {
    const data = directory();
    await killAt(data, moment, {});
    const { at } = await start(data, 'none');
    expect((await fetch(at, { headers })).status).toBe(404);
    expect((await fetch(at, { method: 'PUT', headers, body: text })).status).toBe(201);
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);

test('S98 killed when the commit is stored and not yet answered, the entry and its bytes are there (P62)', async () => {
  const data = directory();
  await killAt(data, 'stored', { headers: { ...headers, 'idempotency-key': 'k' } });
  const { at } = await start(data, 'none');
  expect(await (await fetch(at, { headers })).text()).toBe(text);
  const again = await fetch(at, {
    method: 'PUT',
    body: text,
    headers: { ...headers, 'idempotency-key': 'k' },
  });
  expect(again.headers.get('idempotent-replay')).toBe('true');
  expect(await told(again)).toMatchObject([201, { store_seq: 1 }]);
}, 120_000);
