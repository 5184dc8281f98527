import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';
import { issue } from '../test/token.ts';

const source = `import { speak } from './packages/client/e2e/pages/messagepack.ts';
  globalThis.speak = speak;
  if (typeof document === 'undefined') {
    onmessage = async ({ data }) => postMessage(await speak(...data));
  }
  globalThis.speakInWorker = (...args) => new Promise((resolve, reject) => {
    const worker = new Worker(import.meta.url, { type: 'module' });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
    worker.postMessage(args);
  });`;

describe.skipIf(!hasChromium)('MessagePack in Chromium', () => {
  let server: Server;
  let served: ServedPage;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    served = await servePage(source);
    browser = await launchChromium();
    server = createServer({ storage: memory(), origins: ['*'] });
    ({ url } = await server.listen());
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await served.close();
    await server.close({ retryAfterMs: 0 });
  });

  it('S79 works over the WebSocket of a browser: put, get, watch, snapshot, and all frames are binary', async () => {
    await server.stores.create('acme/app');
    const { rawToken: token } = await issue(server);
    const page = await browser.newPage();
    const kinds = new Set<string>();
    page.on('websocket', (socket) => {
      for (const way of ['framesent', 'framereceived'] as const) {
        socket.on(way, ({ payload }) => kinds.add(`${way} ${typeof payload}`));
      }
    });
    await page.goto(served.url);
    expect(await page.evaluate<object>(`speak("${url}", "${token}", "acme/app")`)).toEqual({
      snapshot: { a: 1.5, b: ['ü', null, true], c: { d: -1 } },
      watched: ['posts/a', 2],
      seq: 2,
    });
    expect([...kinds].toSorted()).toEqual(['framereceived object', 'framesent object']);
  }, 180_000);

  it.each([true, false])(
    'C19 works in a worker of a browser as it does in a page, be it in JSON (%s) or MessagePack',
    async (isJson) => {
      const name = `acme/${crypto.randomUUID()}`;
      await server.stores.create(name);
      const { rawToken: token } = await issue(server);
      const page = await browser.newPage();
      await page.goto(served.url);
      const told = await page.evaluate<object>(
        `speakInWorker("${url}", "${token}", "${name}", ${isJson})`,
      );
      expect(told).toMatchObject({ watched: ['posts/a', 2], seq: 2 });
    },
    180_000,
  );
});
