import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { buildConsole } from './build-console.ts';
import { ConsolePage } from './console-page.ts';
import { fill } from './fill.ts';
import { ServerProcess } from './server-process.ts';

const server = new ServerProcess();
let browser: Browser;

/** The buttons that change something, of all that are shown. */
async function changing(page: Page): Promise<readonly string[]> {
  const names = await page.getByRole('button').allTextContents();
  return names.filter((name) => /^(Add|Delete|Save|Cancel|[−+]1)/.test(name));
}

describe.runIf(wantsChromium)('the console in Chromium', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    await buildConsole();
    [browser] = await Promise.all([launchChromium(), server.start()]);
    await fill(server);
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server.remove();
  });

  test('a token that may list no stores opens the one that a link names, and others that links name after it', async () => {
    await server.makeStore('demo/aside');
    const token = await server.issue(['entries:read', 'entries:write']);
    const mine = await ConsolePage.open(browser, server.console('demo/main', token));
    const { page } = mine;
    const picker = page.getByRole('combobox', { name: 'Store' });
    await mine.shows('visits', '41');
    expect(await picker.inputValue()).toBe('demo/main');
    await page.evaluate(() => location.assign('#store=demo/aside'));
    await expect.poll(() => picker.inputValue()).toBe('demo/aside');
    await page.evaluate(() => location.assign('#store=no store'));
    await page.locator('.notices p').waitFor();
    expect(await picker.inputValue()).toBe('demo/aside');
    await server.write('demo/aside', (tx) => tx.put('fresh', 1));
    await mine.shows('fresh', '1');
    await page.context().close();
  });

  test('a token that may only read is offered nothing that changes anything, and is told why', async () => {
    const token = await server.issue(['stores:read', 'entries:read']);
    const mine = await ConsolePage.open(browser, server.console('demo/main', token));
    const { page } = mine;
    await page.getByText('read only', { exact: true }).waitFor();
    await mine.pick('settings');
    expect(await changing(page)).toEqual([]);
    await mine.pick('visits');
    await page.locator('.editor').getByText('This token may only read.').waitFor();
    expect([await changing(page), await mine.value.getAttribute('readonly')]).toEqual([[], '']);
    await mine.tree.press('Delete');
    await page.locator('.notices').getByText('This token may only read.').waitFor();
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.context().close();
  });

  test('given rights that change while the console is open, when its page gets the focus again, then it goes by those of now', async () => {
    const token = await server.issue(['stores:read', 'entries:read', 'entries:write']);
    const mine = await ConsolePage.open(browser, server.console('demo/main', token));
    const { page } = mine;
    await mine.shows('visits', '41');
    const readOnly = page.getByText('read only', { exact: true });
    const focus = (): Promise<boolean> => page.evaluate(() => dispatchEvent(new Event('focus')));
    await page.route('**/api/whoami', (route) =>
      route.fulfill({ json: { scopes: ['entries:read'] } }),
    );
    await focus();
    await readOnly.waitFor();
    await page.unroute('**/api/whoami');
    await focus();
    await readOnly.waitFor({ state: 'detached' });
    await page.context().close();
  });

  test('a token whose rules let it write somewhere is offered to change what it sees', async () => {
    const scopes = ['stores:read', 'entries:read', 'entries:write'];
    const rules = [{ pattern: '**', allow: ['read'] as const }];
    const reader = await server.issue(scopes, rules);
    const more = { pattern: 'settings/**', allow: ['write'] as const };
    const editor = await server.issue(scopes, [...rules, more]);
    const mine = await ConsolePage.open(browser, server.console('demo/main', reader));
    await mine.page.getByText('read only', { exact: true }).waitFor();
    await mine.page.context().close();
    const theirs = await ConsolePage.open(browser, server.console('demo/main', editor));
    await theirs.edit('settings/theme', '"light"');
    await theirs.shows('settings/theme', '"light"');
    await expect.poll(() => theirs.figure('outbox').textContent()).toBe('everything is committed');
    await theirs.page.context().close();
  });
});
