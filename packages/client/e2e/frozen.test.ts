import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  hasChromium,
  openWindow,
  type OpenWindow,
  type ServedPage,
  servePage,
} from '../../../tools/browser.ts';
import { issue } from '../test/token.ts';
import { Gate } from './gate.ts';

const source = `
  import { tab } from './packages/client/e2e/pages/tabs.ts';
  globalThis.tab = tab;
  tab.lived = [];
  for (const type of ['freeze', 'resume']) document.addEventListener(type, () => tab.lived.push(type));`;

async function write(tab: Page, name: string): Promise<void> {
  await tab.evaluate(`tab.write('${name}', 5)`);
  await tab.evaluate('tab.settled()');
}

describe.skipIf(!hasChromium)('tabs in one window of Chromium', { timeout: 180_000 }, () => {
  let window: OpenWindow;
  let page: ServedPage;
  let server: Server;
  let gate: Gate;
  let address: string;

  beforeAll(async () => {
    page = await servePage(source);
    server = createServer({ storage: memory(), origins: [new URL(page.url).origin] });
    const { port } = await server.listen();
    await server.stores.create('acme/app');
    const { rawToken: token } = await issue(server);
    gate = await Gate.open(port);
    address = `${page.url}#${new URLSearchParams({ url: gate.url, token }).toString()}`;
    window = await openWindow();
  }, 180_000);

  afterAll(async () => {
    await window.close();
    await page.close();
    await gate.close();
    await server.close({ retryAfterMs: 0 });
  });

  async function open(): Promise<Page> {
    const tab = await window.context.newPage();
    await tab.goto(address);
    await tab.waitForFunction('globalThis.tab !== undefined');
    await tab.evaluate('tab.store.ready');
    return tab;
  }

  it('G71 go on when the one that leads is hidden, and when the browser freezes it, though it hears them still; it follows when it thaws (P67)', async () => {
    const first = await open();
    const second = await open();
    expect(await first.evaluate('document.visibilityState')).toBe('hidden');
    await write(second, 'second');
    await expect.poll(() => first.evaluate('tab.count()')).toBe(5);
    expect(gate.total).toBe(1);
    // A transaction of a frozen tab would hold up those of the others, for which browsers wait, and the tool of this test does not.
    await first.evaluate('tab.stored()');
    const devtools = await window.context.newCDPSession(first);
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
    await write(second, 'frozen');
    const third = await open();
    await write(third, 'third');
    await devtools.send('Page.setWebLifecycleState', { state: 'active' });
    await write(first, 'first');
    for (const tab of [first, second, third]) {
      await expect.poll(() => tab.evaluate('[tab.leaves(), tab.count()]')).toEqual([20, 20]);
      expect(await tab.evaluate('tab.errors')).toEqual([]);
    }
    expect(await first.evaluate('tab.lived')).toEqual(['freeze', 'resume']);
    await expect.poll(() => gate.open).toBe(1);
  });
});
