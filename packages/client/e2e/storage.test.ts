import type { Server } from '@holdfast/server';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';
import { ownServer } from './own-server.ts';

const source = `
  import { tab } from './packages/client/e2e/pages/tabs.ts';
  globalThis.tab = tab;`;

describe.skipIf(!hasChromium)('in Chromium', { timeout: 180_000 }, () => {
  let browser: Browser;
  let served: ServedPage;
  let server: Server;
  let page: Page;
  let address: string;

  beforeAll(async () => {
    served = await servePage(source);
    browser = await launchChromium();
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await served.close();
  });

  beforeEach(async () => {
    ({ server, address } = await ownServer(served));
    page = await browser.newPage();
  });

  afterEach(async () => {
    await page.close();
    await server.close({ retryAfterMs: 0 });
  });

  it('a frame that may keep nothing and has no locks works in memory, over a connection of its own, and says so', async () => {
    await page.goto(served.url);
    await page.evaluate((src) => {
      const frame = document.createElement('iframe');
      frame.setAttribute('sandbox', 'allow-scripts');
      frame.src = src;
      document.body.append(frame);
    }, address);
    const frame = await (await page.waitForSelector('iframe')).contentFrame();
    if (frame === null) throw new Error('there is no frame');
    await frame.waitForFunction('globalThis.tab !== undefined');
    expect(await frame.evaluate('origin')).toBe('null');
    await frame.evaluate('tab.store.ready');
    // What it cannot keep it says of each write.
    await frame.evaluate('tab.write("frame", 20).catch(() => undefined)');
    await frame.evaluate('tab.settled()');
    await expect.poll(() => frame.evaluate('tab.leaves()')).toBe(20);
    const why = 'tab.client.status.get().error.details.why';
    expect(await frame.evaluate(`[${why}, tab.store.status.get().durable]`)).toEqual([
      'unavailable',
      false,
    ]);
  });
});
