import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@holdfast/client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { buildConsole } from './build-console.ts';
import { ConsolePage } from './console-page.ts';
import { fill, fillLarge } from './fill.ts';
import { PathProxy } from './proxy.ts';
import { ServerProcess } from './server-process.ts';

const pictures =
  process.env['CONSOLE_PICTURES'] ?? mkdtempSync(join(tmpdir(), 'holdfast-pictures-'));
const server = new ServerProcess();
let browser: Browser;

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

  test('two pages stay in step', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const theirs = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.pick('settings/theme');
    await theirs.pick('settings/theme');
    await mine.edit('settings/theme', '"light"');
    await mine.shows('settings/theme', '"light"');
    await theirs.shows('settings/theme', '"light"');
    await expect.poll(() => theirs.value.inputValue()).toBe('"light"');
    await theirs.edit('settings/pageSize', '75');
    await mine.shows('settings/pageSize', '75');
    await mine.logs('settings/pageSize75');
    expect([...mine.complaints, ...theirs.complaints]).toEqual([]);
    await Promise.all([mine.close(), theirs.close()]);
  });

  test('what is added and deleted on one page comes and goes on the other', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const theirs = await ConsolePage.open(browser, server.console('demo/main'));
    await theirs.line('users').click();
    await mine.page.getByRole('button', { name: 'Add', exact: true }).click();
    const dialog = mine.page.getByRole('dialog');
    await dialog.getByLabel('Path').fill('users/9/name');
    await dialog.getByLabel('Value').fill('"Barbara Liskov"');
    await mine.page.keyboard.press('Enter');
    await mine.shows('users/9/name', '"Barbara Liskov"');
    await theirs.line('users/9').waitFor();
    await mine.pick('users/9/name');
    await mine.tree.press('Delete');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await theirs.line('users/9').waitFor({ state: 'detached' });
    expect([...mine.complaints, ...theirs.complaints]).toEqual([]);
    await Promise.all([mine.close(), theirs.close()]);
  });

  test('a server that is killed and started again is survived, and edits made meanwhile arrive', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const theirs = await ConsolePage.open(browser, server.console('demo/main'));
    await theirs.pick('users/7/name');
    await server.kill();
    await mine.hasState('reconnecting');
    await mine.edit('users/7/name', '"Ada King"');
    await mine.shows('users/7/name', '"Ada King"');
    await mine.edit('users/7/name', '"Countess of Lovelace"');
    await expect.poll(() => mine.figure('outbox').textContent()).toBe('1 pending');
    expect(await mine.figure('state').textContent()).toBe('pending');
    await server.start();
    await Promise.all([mine.hurry(), theirs.hurry()]);
    await mine.hasState('connected');
    await theirs.shows('users/7/name', '"Countess of Lovelace"');
    await expect.poll(() => mine.figure('outbox').textContent()).toBe('everything is committed');
    await expect.poll(() => mine.figure('state').textContent()).toBe('committed');
    expect([...mine.complaints, ...theirs.complaints]).toEqual([]);
    await Promise.all([mine.close(), theirs.close()]);
  });

  test('a save never overwrites what nobody has seen: both values are shown, and one is chosen', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const theirs = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.pick('users/8/name');
    await mine.value.fill('"Amazing Grace"');
    await theirs.edit('users/8/name', '"Rear Admiral Hopper"');
    const conflict = mine.page.getByRole('region', { name: 'Conflict' });
    await conflict.waitFor();
    expect(await conflict.textContent()).toContain('"Rear Admiral Hopper"');
    expect(await conflict.textContent()).toContain('"Amazing Grace"');
    await mine.page.getByRole('button', { name: 'Save mine over it' }).click();
    await theirs.shows('users/8/name', '"Amazing Grace"');
    expect([...mine.complaints, ...theirs.complaints]).toEqual([]);
    await Promise.all([mine.close(), theirs.close()]);
  });

  test('a value is found, edited and saved without a mouse', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const { keyboard } = mine.page;
    await mine.line('settings').waitFor();
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await keyboard.press('ArrowRight');
    await keyboard.press('ArrowRight');
    expect(await mine.line('settings/pageSize').getAttribute('aria-selected')).toBe('true');
    await keyboard.press('Enter');
    await expect.poll(() => focusedId(mine)).toBe('value');
    await keyboard.press('Control+a');
    await keyboard.type('90');
    await keyboard.press('Escape');
    await expect.poll(() => focusedId(mine)).toBe('tree');
    expect(await mine.line('settings/pageSize').locator('.value').textContent()).not.toBe('90');
    await keyboard.press('Enter');
    await expect.poll(() => focusedId(mine)).toBe('value');
    await keyboard.press('Control+a');
    await keyboard.type('91');
    await keyboard.press('Enter');
    await mine.shows('settings/pageSize', '91');
    await expect.poll(() => focusedId(mine)).toBe('tree');
    // What is added is what the keys are at then, wherever they were.
    await keyboard.press('+');
    await keyboard.press('Control+a');
    await keyboard.type('added/here');
    await keyboard.press('Tab');
    await keyboard.type('1');
    await keyboard.press('Enter');
    const added = mine.line('added/here');
    await expect.poll(() => added.getAttribute('aria-selected')).toBe('true');
    await expect.poll(() => focusedId(mine)).toBe('tree');
    expect(await added.getAttribute('aria-selected')).toBe('true');
    await mine.logs('added/here1');
    for (const key of ['ArrowUp', 'ArrowUp', 'Enter']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await mine.log.press(key);
    }
    expect(await mine.line('settings/pageSize').getAttribute('aria-selected')).toBe('true');
    expect(mine.complaints).toEqual([]);
    await mine.close();
  });

  test('an Enter or Escape that ends the choice of a character neither saves nor gives up', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.pick('settings/theme');
    await mine.value.fill('"にほ"');
    for (const key of ['Enter', 'Escape']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await mine.value.dispatchEvent('keydown', { key, isComposing: true });
    }
    expect(await mine.value.inputValue()).toBe('"にほ"');
    expect(await mine.figure('state').textContent()).toBe('edited');
    const filter = mine.page.locator('.filter');
    await filter.fill('にほ');
    for (const key of ['ArrowDown', 'Escape']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await filter.dispatchEvent('keydown', { key, keyCode: 229 });
    }
    expect(await filter.inputValue()).toBe('にほ');
    expect(await filter.evaluate((each) => each === document.activeElement)).toBe(true);
    await mine.close();
  });

  test('where a line is deleted the keys go on from there', async () => {
    await server.write('demo/main', (tx) => tx.merge('rows', { a: 1, b: 2, c: 3, d: 4 }));
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.pick('rows/b');
    await mine.tree.press('Delete');
    await mine.page.keyboard.press('Enter');
    await mine.line('rows/b').waitFor({ state: 'detached' });
    await mine.page.keyboard.press('ArrowDown');
    expect(await mine.line('rows/c').getAttribute('aria-selected')).toBe('true');
    // Or where somebody else deletes it.
    await server.write('demo/main', (tx) => tx.delete('rows/c'));
    await mine.line('rows/c').waitFor({ state: 'detached' });
    await mine.page.keyboard.press('ArrowUp');
    expect(await mine.line('rows/a').getAttribute('aria-selected')).toBe('true');
    await mine.page.emulateMedia({ forcedColors: 'active' });
    await mine.page.locator('.filter').focus();
    const line = mine.line('rows/a');
    expect(await line.evaluate((each) => getComputedStyle(each).outlineStyle)).toBe('solid');
    await mine.close();
  });

  test('what is edited and not saved is not lost without a question', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    const { page } = mine;
    // Who has made a store elsewhere, and comes back, may pick it.
    await server.makeStore('demo/aside');
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await page.locator('option[value="demo/aside"]').waitFor({ state: 'attached' });
    const asked: string[] = [];
    page.on('dialog', (dialog) => {
      const isOfToken = dialog.message().includes('token');
      asked.push(isOfToken ? 'token' : dialog.type());
      void (isOfToken || dialog.type() === 'beforeunload' ? dialog.accept() : dialog.dismiss());
    });
    await mine.pick('settings/theme');
    await mine.value.fill('"draft"');
    await page.getByRole('button', { name: 'Sign out' }).click();
    for (const link of ['#store=demo/aside', '#token=strange']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await page.evaluate((hash) => location.assign(hash), link);
      // oxlint-disable-next-line no-await-in-loop -- the same
      await expect.poll(() => page.url()).toMatch(/#store=demo\/main$/);
    }
    expect(await mine.value.inputValue()).toBe('"draft"');
    await page.reload();
    expect(asked).toEqual(['confirm', 'confirm', 'token', 'confirm', 'beforeunload']);
    await mine.close();
  });

  test('what hides in a name or value, or reorders it, is seen, and an edit keeps it', async () => {
    const [name, plain] = ['\u202Egnp\u200B.exe', 'gnp.exe'];
    await server.write('demo/main', (tx) => tx.merge('odd', { [name]: name, [plain]: 'مرحبا 👩‍👩‍👧' }));
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.pick(`odd/${name}`);
    await mine.shows(`odd/${name}`, '"\\u202egnp\\u200b.exe"');
    const seen = '\\u202egnp\\u200b.exe';
    expect(await mine.line(`odd/${name}`).locator('.name').textContent()).toBe(seen);
    const spaced = ' a  b ';
    await server.write('demo/main', (tx) => tx.put(['odd', spaced], spaced));
    const shown = mine.line(`odd/${spaced}`);
    const texts = shown.locator('.name, .value');
    expect(await texts.allInnerTexts()).toEqual([spaced, `"${spaced}"`]);
    expect(await mine.figure('path').textContent()).toBe(seen);
    expect(await mine.value.inputValue()).toBe(`"${seen}"`);
    await mine.edit(`odd/${name}`, `["${seen}"]`);
    await mine.shows(`odd/${plain}`, '"مرحبا 👩‍👩‍👧"');
    const theirs = createClient({ url: server.url.replace('http', 'ws'), token: 'dev' });
    const store = theirs.store('demo/main');
    await store.ready;
    await expect.poll(() => store.get(`odd/${name}`)).toEqual([name]);
    await theirs.close();
    await mine.tree.press('Delete');
    expect(await mine.page.getByRole('dialog').textContent()).toContain(`odd/${seen}`);
    await mine.close();
  });

  test('a filter lists the paths that match', async () => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    await mine.page.keyboard.press('/');
    await mine.page.keyboard.type('users/*/name');
    await mine.line('users/8/name').waitFor();
    await expect.poll(() => mine.page.getByRole('treeitem').count()).toBe(2);
    await mine.page.keyboard.press('Escape');
    await mine.line('settings').waitFor();
    await mine.close();
  });

  test('a store of 100,000 leaves is browsed with few lines drawn, and its log pauses', async () => {
    await fillLarge(server);
    const mine = await ConsolePage.open(browser, server.console('demo/sensors'));
    await mine.line('sensors').click();
    await mine.line('sensors/s00000').waitFor();
    await mine.tree.press('End');
    const last = mine.line('sensors/s99999');
    await last.waitFor();
    expect(await last.getAttribute('aria-setsize')).toBe('100000');
    expect(await mine.page.getByRole('treeitem').count()).toBeLessThan(100);
    await server.write('demo/sensors', (tx) => {
      for (let at = 0; at < 200; at++) tx.put(`fresh/n${at}`, at);
    });
    await mine.logs('fresh/n199');
    await mine.log.evaluate((element) => element.scrollTo(0, 0));
    await mine.page.getByText('paused, 0 new').waitFor();
    await server.write('demo/sensors', (tx) => tx.put('sensors/s99999', 'changed'));
    await mine.page.getByText('paused, 1 new').waitFor();
    await mine.shows('sensors/s99999', '"changed"');
    await mine.page.getByRole('button', { name: 'Resume' }).click();
    await mine.logs('"changed"');
    expect(mine.complaints).toEqual([]);
    await mine.close();
  });

  test('a phone has everything without scrolling sideways', async () => {
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const mine = await ConsolePage.open(browser, server.console('demo/main'), phone);
    for (const panel of ['value', 'outbox', 'log', 'tree']) {
      await mine.page.getByRole('button', { name: panel, exact: true }).click();
      expect(await mine.overflow()).toBe(0);
    }
    await mine.pick('users/8/tags');
    // A tap on a value is how one gets to see it.
    await mine.value.waitFor();
    expect(await mine.overflow()).toBe(0);
    await mine.page.screenshot({ path: join(pictures, 'phone-value.png') });
    await mine.page.getByRole('button', { name: 'tree', exact: true }).click();
    await mine.line('users/8/tags').waitFor();
    await mine.page.screenshot({ path: join(pictures, 'phone-tree.png') });
    await mine.close();
  });

  test.each(['light', 'dark'] as const)('the %s scheme follows the system', async (colorScheme) => {
    const mine = await ConsolePage.open(browser, server.console('demo/main'), { colorScheme });
    await mine.pick('users/8/name');
    await mine.edit('settings/theme', `"the ${colorScheme} one"`);
    await mine.shows('settings/theme', `"the ${colorScheme} one"`);
    const ground = await mine.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const brightness = Math.max(...(ground.match(/\d+/g) ?? []).map(Number));
    expect(brightness > 128).toBe(colorScheme === 'light');
    const [edge, placeholder] = await mine.contrasts();
    expect([edge >= 3, placeholder >= 4.5]).toEqual([true, true]);
    await mine.page.screenshot({ path: join(pictures, `${colorScheme}.png`) });
    await mine.close();
  });

  test('the token leaves the address, and a page without one asks for it', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(server.url);
    await page.getByLabel('Token').fill('dev');
    await page.keyboard.press('Enter');
    await page.locator('.pill[data-state=connected]').waitFor();
    const mine = await ConsolePage.open(browser, server.console('demo/main'));
    expect(mine.page.url()).not.toContain('token');
    await Promise.all([context.close(), mine.close()]);
  });

  test('a link with another token asks who is signed in, and one with the same does not', async () => {
    const { page } = await ConsolePage.open(browser, server.console('demo/main'));
    const asked: string[] = [];
    let isWanted = false;
    page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void (isWanted ? dialog.accept() : dialog.dismiss());
    });
    const pill = page.locator('.pill[data-state=connected]');
    // Opened where the console is open already, a link loads nothing anew.
    await page.evaluate(() => location.assign('#token=dev&store=demo/main'));
    await expect.poll(() => page.url()).not.toContain('token');
    expect(asked).toEqual([]);
    for (const [way, token] of [
      ['same', 'dev'],
      ['other', 'strange'],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await page.goto(`${server.url}/?by=${way}#token=${token}`);
      // oxlint-disable-next-line no-await-in-loop -- the same
      await pill.waitFor();
    }
    expect([asked, page.url()]).toEqual([['confirm'], expect.not.stringContaining('strange')]);
    isWanted = true;
    await page.goto(`${server.url}/?by=link#token=strange`);
    await page.getByText('This token is not accepted.').waitFor();
    await page.context().close();
  });

  test('a proxy may serve it below a path, and so the page to try the API', async () => {
    const proxy = new PathProxy('/sync', () => server.url);
    const url = await proxy.start();
    const { hash } = new URL(server.console('demo/main'));
    const mine = await ConsolePage.open(browser, `${url}${hash}`);
    await mine.edit('settings/theme', '"by proxy"');
    await mine.shows('settings/theme', '"by proxy"');
    const { page } = mine;
    await page.goto(`${url}api-docs`);
    await page.getByLabel('Token', { exact: true }).fill('dev');
    await page.getByText('/api/whoami').click();
    await page.locator('details[open] button').click();
    await page.locator('details[open] pre').getByText('"subject": "dev"').waitFor();
    expect(mine.complaints).toEqual([]);
    await mine.close();
    proxy.stop();
  });
});

function focusedId({ page }: ConsolePage): Promise<string | undefined> {
  return page.evaluate(() => document.activeElement?.id);
}
