import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';

import { Site } from './site.ts';

const guide = new URL('../../../../docs/guide/webhooks.md', import.meta.url);

/** The receiver of the guide, as it stands there. */
async function receiverOfGuide(): Promise<Server> {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(guide, 'utf8')) ?? [];
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-guide-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'receiver.mts');
  writeFileSync(file, code ?? '');
  const { receiver }: { receiver?: unknown } = await import(pathToFileURL(file).href);
  if (!(receiver instanceof Server)) throw new Error('The guide shows no receiver.');
  return receiver;
}

test('S108 the receiver of the guide takes what is signed for it, each once, and nothing that is forged or old', async () => {
  const site = await Site.open();
  vi.setSystemTime(site.clock.wall());
  const told = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  const signatures: string[] = [];
  let receiver: Server | null = null;
  // It listens before its secret is known.
  const front = createServer((request, response) => {
    signatures.push(String(request.headers['holdfast-signature']));
    receiver?.emit('request', request, response);
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    told.mockRestore();
    front.closeAllConnections();
    front.close();
  });
  const address = front.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
  const { id, secret } = await site.hook(url);
  vi.stubEnv('WEBHOOK_SECRET', secret);
  receiver = await receiverOfGuide();

  await site.put(['a', 'one'], ['b', 'two']);
  const delivered = { last_delivered_seq: 2, failure_count: 0 };
  await expect.poll(() => site.look(id)).toMatchObject(delivered);
  expect(told.mock.calls).toEqual([
    ['set a', 'one'],
    ['set b', 'two'],
  ]);
  expect((await site.ask('POST', `webhooks/${id}/ping`)).status).toBe(200);

  const body = { event: 'ping', store: 'demo/main', timestamp: new Date(Date.now()).toISOString() };
  const send = async (header: string, text: string): Promise<number> => {
    const headers = { 'Holdfast-Signature': header };
    return (await fetch(url, { method: 'POST', headers, body: text })).status;
  };
  const [, , ping = ''] = signatures;
  expect(await send(ping, JSON.stringify(body))).toBe(204);
  expect(await send(ping, JSON.stringify({ ...body, store: 'demo/other' }))).toBe(401);
  expect(await send('undefined', JSON.stringify(body))).toBe(401);
  vi.setSystemTime(site.clock.wall() + 301_000);
  expect(await send(ping, JSON.stringify(body))).toBe(401);
});
