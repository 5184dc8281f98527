import { app, createServer, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { hasChromium, launchChromium, servePage } from '../../../tools/browser.ts';
import { Gate } from './gate.ts';
import { issue } from '../test/token.ts';

const source = `
  import { tab } from './packages/client/e2e/pages/tab-view.ts';
  globalThis.tab = tab;`;

let running = 0;
const board = view({
  name: 'Board',
  mount: (ctx) => {
    running += 1;
    ctx.signal.addEventListener('abort', () => (running -= 1));
    return { filter: 'all' };
  },
  render: ({ filter }) => ({ filter }),
  commands: {
    filter: {
      input: z.object({ to: z.string() }),
      run: (ctx, { to }) => ctx.update({ filter: to }),
    },
  },
});

/** Three tabs of one browser, each with the same view, over a gate that counts connections. */
async function openThree() {
  const page = await servePage(source);
  const origins = [new URL(page.url).origin];
  const server = createServer({ storage: memory(), origins, app: app({ views: [board] }) });
  const { port } = await server.listen();
  const { rawToken: token } = await issue(server, ['entries:read']);
  const [gate, browser] = [await Gate.open(port), await launchChromium()];
  onTestFinished(async () => {
    await browser.close();
    await gate.close();
    await server.close({ retryAfterMs: 0 });
    await page.close();
  });
  const context = await browser.newContext();
  const fragment = new URLSearchParams({ url: gate.url, token }).toString();
  const open = async (): Promise<Page> => {
    const tab = await context.newPage();
    await tab.goto(`${page.url}#${fragment}`);
    await tab.waitForFunction('globalThis.tab !== undefined');
    await tab.evaluate('tab.ready');
    return tab;
  };
  return { gate, tabs: [await open(), await open(), await open()] as const };
}

const shown = (tab: Page): Promise<unknown> => tab.evaluate('tab.shown()');

describe.skipIf(!hasChromium)('three tabs with a view each in Chromium', () => {
  it(
    'have one socket, and go on without a flash when the tab that has it is closed',
    { timeout: 180_000 },
    async () => {
      const { gate, tabs } = await openThree();
      const [first, second, third] = tabs;
      expect([gate.total, running]).toEqual([1, 3]);
      await second.evaluate("tab.filter('mine')");
      await expect
        .poll(() => Promise.all(tabs.map(shown)))
        .toEqual([{ filter: 'all' }, { filter: 'mine' }, { filter: 'all' }]);
      const before = await second.evaluate('tab.seen().length');
      await first.close();
      await expect.poll(() => gate.total).toBe(2);
      for (const tab of [second, third]) {
        await expect.poll(() => tab.evaluate('tab.health()')).toBe('live');
      }
      await third.evaluate("tab.filter('late')");
      await expect.poll(() => shown(third)).toEqual({ filter: 'late' });
      expect(await second.evaluate('[tab.seen().length, tab.remounts(), tab.errors]')).toEqual([
        before,
        0,
        [],
      ]);
      expect(await third.evaluate('tab.remounts()')).toBe(0);
      // A tab that is closed leaves nothing on the server.
      await third.close();
      await expect.poll(() => running).toBeLessThanOrEqual(2);
      expect([gate.open, gate.total]).toEqual([1, 2]);
    },
  );
});
