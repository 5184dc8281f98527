import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Browser, BrowserContext, Page, WebSocket } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';
import { Gate } from './gate.ts';
import { issue } from '../test/token.ts';

const source = `
  import { tab } from './packages/client/e2e/pages/tabs.ts';
  globalThis.tab = tab;`;

const takeoverMs = 2000;
const writesEach = 20;

function write(tab: Page, name: string): Promise<void> {
  return tab.evaluate(`tab.write('${name}', ${writesEach})`);
}

describe.skipIf(!hasChromium)('three tabs in Chromium', { timeout: 180_000 }, () => {
  let browser: Browser;
  let page: ServedPage;
  let server: Server;
  let gate: Gate;
  let context: BrowserContext;
  let fragment: string;
  let lines: Map<Page, WebSocket[]>;

  beforeAll(async () => {
    page = await servePage(source);
    browser = await launchChromium();
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await page.close();
  });

  beforeEach(async () => {
    server = createServer({ storage: memory(), origins: [new URL(page.url).origin] });
    const { port } = await server.listen();
    await server.stores.create('acme/app');
    const { rawToken: token } = await issue(server);
    gate = await Gate.open(port);
    fragment = new URLSearchParams({ url: gate.url, token }).toString();
    context = await browser.newContext();
    lines = new Map();
  });

  afterEach(async () => {
    await context.close();
    await gate.close();
    await server.close({ retryAfterMs: 0 });
  });

  async function open(): Promise<Page> {
    const tab = await context.newPage();
    const own: WebSocket[] = [];
    lines.set(tab, own);
    tab.on('websocket', (line) => own.push(line));
    await tab.goto(`${page.url}#${fragment}`);
    await tab.waitForFunction('globalThis.tab !== undefined');
    await tab.evaluate('tab.store.ready');
    return tab;
  }

  type Three = readonly [Page, Page, Page];

  async function openThree(): Promise<Three> {
    return [await open(), await open(), await open()];
  }

  function leads(tab: Page): boolean {
    return lines.get(tab)?.some((line) => !line.isClosed()) === true;
  }

  /** The one with the connection first: where the first stood still for too long, another one has it by now. */
  async function leadingFirst(tabs: Three): Promise<Three> {
    await expect.poll(() => tabs.filter(leads).length).toBe(1);
    const [first, second, third] = tabs;
    if (leads(third)) return [third, first, second];
    return leads(second) ? [second, first, third] : [first, second, third];
  }

  /** Everything that was written is in every tab and on the server, once; over one connection. */
  async function expectAll(tabs: readonly Page[], writers: number): Promise<void> {
    const count = writers * writesEach;
    for (const tab of tabs) {
      await tab.evaluate('tab.settled()');
      await expect.poll(() => tab.evaluate('[tab.leaves(), tab.count()]')).toEqual([count, count]);
      expect(await tab.evaluate('tab.errors')).toEqual([]);
    }
    await expect.poll(() => gate.open).toBe(1);
  }

  /** How long it takes until a tab has a connection again. */
  async function takeover(tab: Page, lost: () => Promise<void>): Promise<number> {
    const before = gate.total;
    const start = performance.now();
    await lost();
    await expect.poll(() => gate.total, { interval: 10 }).toBeGreaterThan(before);
    await tab.waitForFunction("tab.connection() === 'connected'", null, { polling: 20 });
    return performance.now() - start;
  }

  it('share one connection, and each sees what the others write', async () => {
    const tabs = await openThree();
    await Promise.all(tabs.map((tab, index) => write(tab, `tab${index}`)));
    await expectAll(tabs, 3);
    // Another one, where the tab that has it stands still for too long; but not one for each.
    expect(gate.total).toBeLessThan(tabs.length);
  });

  it('go on when the tab with the connection is closed (P67)', async () => {
    const tabs = await openThree();
    await write(tabs[0], 'first');
    const [first, second, third] = await leadingFirst(tabs);
    const tookMs = await takeover(second, async () => {
      void write(second, 'second');
      await first.close();
    });
    await write(third, 'third');
    await expectAll([second, third], 3);
    expect(tookMs).toBeLessThan(takeoverMs);
  });

  it('go on when the tab with the connection crashes, and send what it had stored (P67, P68)', async () => {
    const tabs = await openThree();
    await write(tabs[0], 'first');
    const [first, second, third] = await leadingFirst(tabs);
    const devtools = await context.newCDPSession(first);
    await tabs[0].evaluate('tab.settled()');
    // Of what it writes now the server hears nothing by itself.
    gate.swallow();
    await write(first, 'unsent');
    const tookMs = await takeover(second, async () => {
      void write(second, 'second');
      void devtools.send('Page.crash').catch(() => undefined);
      await first.waitForEvent('crash');
    });
    await write(third, 'third');
    await expectAll([second, third], 4);
    expect(tookMs).toBeLessThan(takeoverMs);
  });

  it('G71 go on when the tab with the connection is frozen, which follows when it thaws (P67, P68)', async () => {
    const tabs = await openThree();
    await write(tabs[0], 'first');
    const [first, second, third] = await leadingFirst(tabs);
    const devtools = await context.newCDPSession(first);
    await devtools.send('Debugger.enable');
    await tabs[0].evaluate('tab.settled()');
    await first.evaluate('tab.stored()');
    const tookMs = await takeover(second, async () => {
      // It stands still between two tasks, whatever they are: pages that hold locks are not frozen by the browser itself.
      await devtools.send('Debugger.pause');
      await write(second, 'second');
    });
    await write(third, 'third');
    await Promise.all([second, third].map((tab) => tab.evaluate('tab.settled()')));
    await devtools.send('Debugger.resume');
    await expectAll([first, second, third], 3);
    await write(first, 'late');
    await expectAll([first, second, third], 4);
    expect(tookMs).toBeLessThan(takeoverMs);
  });
});
