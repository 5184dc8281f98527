import type { Browser, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { buildConsole } from './build-console.ts';
import { ConsolePage } from './console-page.ts';
import { fill } from './fill.ts';
import { ServerProcess } from './server-process.ts';

const server = new ServerProcess();
let browser: Browser;

/** An answer that lists these stores. */
function told(names: readonly string[]): Parameters<Route['fulfill']>[0] {
  return { json: { stores: names.map((name) => ({ full_name: name, status: 'active' })) } };
}

describe.runIf(wantsChromium)('the console in Chromium', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    await buildConsole();
    [browser] = await Promise.all([launchChromium(), server.start()]);
    await fill(server);
    await server.makeStore('demo/aside');
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server.remove();
  });

  test('the way back from a store that was picked leads to the one before', async () => {
    const { page } = await ConsolePage.open(browser, server.console('demo/main'));
    const picker = page.getByRole('combobox', { name: 'Store' });
    await picker.selectOption('demo/aside');
    await page.waitForURL(/#store=demo\/aside$/);
    await page.goBack();
    await expect.poll(() => picker.inputValue()).toBe('demo/main');
    await page.locator('[role=treeitem][data-path="settings"]').waitFor();
    await page.goForward();
    await expect.poll(() => picker.inputValue()).toBe('demo/aside');
    await page.context().close();
  });

  test('a link to a store that is not there says so, where another is shown for it or stays', async () => {
    const { page } = await ConsolePage.open(browser, server.console('demo/gone\u202e'));
    const picker = page.getByRole('combobox', { name: 'Store' });
    await page.getByText('There is no store demo/gone\\u202e here').waitFor();
    expect(await picker.inputValue()).toBe('demo/aside');
    await page.evaluate(() => location.assign('#store=demo/lost'));
    await page.getByText('There is no store demo/lost here').waitFor();
    expect([await picker.inputValue(), page.url()]).toEqual([
      'demo/aside',
      expect.stringMatching(/#store=demo\/aside$/),
    ]);
    await page.context().close();
  });

  test('what was refused stays said until somebody has read it, and the focus then goes to what is shown', async () => {
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const scopes = ['stores:read', 'entries:read', 'entries:write'];
    const editor = await server.issue(scopes, [
      { pattern: '**', allow: ['read'] },
      { pattern: 'settings/**', allow: ['write'] },
    ]);
    const mine = await ConsolePage.open(browser, server.console('demo/main', editor), phone);
    const { page } = mine;
    await mine.pick('visits');
    await page.getByRole('button', { name: 'tree', exact: true }).click();
    await page.clock.install();
    await mine.tree.press('Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('visits was not deleted.').waitFor();
    await page.clock.fastForward(60_000);
    const dismiss = page.getByRole('button', { name: 'Dismiss' });
    await page.getByRole('button', { name: 'outbox', exact: true }).click();
    await dismiss.press('Enter');
    await dismiss.waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.className)).toContain('panel-outbox');
    await page.context().close();
  });

  test('of two lists of stores that are asked for at a time the newer one counts', async () => {
    const { page } = await ConsolePage.open(browser, server.console('demo/main'));
    const late: Route[] = [];
    await page.route('**/api/stores', async (route) => void late.push(route));
    const focus = (): Promise<unknown> => page.evaluate(() => dispatchEvent(new Event('focus')));
    await focus();
    await expect.poll(() => late.length).toBe(1);
    await focus();
    await expect.poll(() => late.length).toBe(2);
    const [first, second] = late;
    await second?.fulfill(told(['demo/main', 'demo/new']));
    await page.locator('option[value="demo/new"]').waitFor({ state: 'attached' });
    const older = page.waitForResponse('**/api/stores');
    await first?.fulfill(told(['demo/main']));
    await (await older).finished();
    // What the page does with an answer is done once it has drawn again.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
    expect(await page.locator('option[value="demo/new"]').count()).toBe(1);
    await page.context().close();
  });
});
