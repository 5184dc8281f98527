import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';
import { issue } from '../test/token.ts';

const source = `import { speak } from './packages/client/e2e/pages/messagepack.ts';
  window.speak = speak;`;

describe.skipIf(!hasChromium)('MessagePack in Chromium', () => {
  let server: Server;
  let served: ServedPage;
  let browser: Browser;

  beforeAll(async () => {
    served = await servePage(source);
    browser = await launchChromium();
    server = createServer({ storage: memory(), origins: ['*'] });
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await served.close();
    await server.close({ retryAfterMs: 0 });
  });

  it('S79 works over the WebSocket of a browser: put, get, watch, snapshot, and all frames are binary', async () => {
    const { url } = await server.listen();
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
    expect(await page.evaluate<object>(`speak("${url}", "${token}")`)).toEqual({
      snapshot: { a: 1.5, b: ['ü', null, true], c: { d: -1 } },
      watched: ['posts/a', 2],
      seq: 2,
    });
    expect([...kinds].toSorted()).toEqual(['framereceived object', 'framesent object']);
  }, 180_000);
});
