import { mkdtempSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as whole } from 'node:stream/consumers';
import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { ExampleProcess } from '../../../tools/example-process.ts';
import { Issue } from '../src/issue/issue.ts';
import { TrackerPage } from './tracker-page.ts';

const pictures =
  process.env['EXAMPLE_PICTURES'] ?? mkdtempSync(join(tmpdir(), 'holdfast-tracker-'));
const server = new ExampleProcess('tracker');
let browser: Browser;
let old: TrackerPage;
let mine: TrackerPage;
let theirs: TrackerPage;

/** Writes issues as a program does. */
async function fill(count: number): Promise<void> {
  const client = createClient({ url: server.url, token: 'Importer', records: records([Issue]) });
  const common = { body: '', status: 'open', priority: 'normal', author: 'Importer' } as const;
  await client.transact((tx) => {
    for (let at = 1; at <= count; at += 1) {
      const id = `import-${at}`;
      tx.record(Issue.ref({ id })).set({ ...common, title: `Imported ${at}`, createdAt: at });
    }
  }).committed;
  await client.close();
}

describe.runIf(wantsChromium)('the tracker in Chromium', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    [browser] = await Promise.all([launchChromium(), server.start('--version', '1')]);
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server.remove();
  });

  test('its data is migrated while pages of the old version are open, which say so and go on after a reload', async () => {
    old = await TrackerPage.open(browser, server.url);
    await old.add('Written by the old version');
    await old.page.getByLabel('Status').selectOption('done');
    await expect.poll(() => old.page.locator('[data-pending=true]').count()).toBe(0);
    await server.kill();
    await old.disconnected();
    await old.add('Never to be taken');
    await old.page.evaluate('document.activeElement.blur()');
    await server.start('--version', '2');
    await old.hurry();
    // What it has written meanwhile is of no use any more, and is not lost without a word.
    await old.page.getByRole('alertdialog').getByText('Never to be taken').waitFor();
    // Who does nothing else is at the question, and answers it by the keyboard.
    expect(await old.focused('alertdialog')).toBe(true);
    await old.page.keyboard.press('Tab');
    await old.page.keyboard.press('Enter');
    await expect.poll(() => old.focused('region', 'Issue')).toBe(true);
    await old.issue('Written by the old version').click();
    await fill(45);
    mine = await TrackerPage.open(browser, `${server.url}?status=done`);
    expect(await mine.titles).toEqual(['Written by the old version']);
    await mine.issue('Written by the old version').click();
    await expect.poll(() => mine.page.getByLabel('Priority').inputValue()).toBe('normal');
    await old.page.getByText('The tracker has a newer version').waitFor();
    // What it has shown it goes on showing.
    expect(await old.titles).toEqual(['Written by the old version']);
    await old.page.screenshot({ path: join(pictures, 'tracker-old.png') });
    await old.page.getByRole('button', { name: 'Reload' }).click();
    await old.page.getByLabel('Priority').waitFor();
    expect(old.complaints).toEqual([]);
  });

  test('a second one at the same port ends with a sentence that says what to do', async () => {
    const second = new ExampleProcess('tracker');
    onTestFinished(() => second.remove());
    await expect(second.start('--port', new URL(server.url).port)).rejects.toThrow(
      /ready: error Port \d+ is taken by another program\.\n {2}→ .*--port 0.*\n$/,
    );
  });

  test('its pages stand in no frame of another page, and run no scripts but their own', async () => {
    const policies = await Promise.all(
      [1, 2].map(
        async () => (await fetch(server.url)).headers.get('content-security-policy') ?? '',
      ),
    );
    for (const policy of policies) {
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toMatch(/script-src 'self' 'nonce-[\w+/]{22}=='/);
    }
    expect(new Set(policies).size).toBe(2);
    const page = await browser.newPage();
    await page.setContent(`<iframe src="${server.url}"></iframe>`);
    await page.waitForFunction(() => frames.length === 1);
    await expect.poll(() => page.frames().at(-1)?.url()).toContain('chrome-error:');
    await page.close();
  });

  test('a page comes with what it shows, is the same before and after its scripts, and fetches nothing again', async () => {
    theirs = await TrackerPage.open(browser, `${server.url}?issue=import-45`);
    const { page } = theirs;
    const [drawn = ''] = theirs.html.split('id="seed"');
    expect(drawn).toContain('Imported 45');
    expect(drawn).toContain('46 issues');
    expect(drawn).not.toContain('Loading');
    await expect
      .poll(() => theirs.received.some((text) => text.includes('query_delta')))
      .toBe(true);
    const list = await page.locator('.issues').textContent();
    const strange = { headers: { cookie: 'tracker-name=%' } };
    expect(await (await fetch(server.url, strange)).text()).toContain('Imported 45');
    // What a page asks that could not connect.
    const whoami = await fetch(`${server.url}api/whoami`, {
      headers: { authorization: 'Bearer Ada' },
    });
    expect(await whoami.json()).toMatchObject({ subject: 'Ada' });
    const { removed, said } = await theirs.told();
    expect(said).toEqual([list]);
    expect(removed).toBe(0);
    // Of the store, which goes on where the page was, and of the view.
    expect(theirs.count('phx_join')).toBe(2);
    expect(theirs.count('query_open')).toBe(1);
    expect(theirs.count('scope')).toBe(0);
    const values = theirs.received.filter((text) => text.includes('"string"'));
    expect(values).toEqual([]);
    expect(theirs.complaints).toEqual([]);
    const alive = await page.screenshot({ path: join(pictures, 'tracker.png') });
    // The same person, without scripts: what there was at the first paint.
    const paper = await TrackerPage.open(browser, `${server.url}?issue=import-45`, {
      storageState: await page.context().storageState(),
      javaScriptEnabled: false,
    });
    expect((await paper.page.screenshot()).equals(alive)).toBe(true);
    await paper.close();
  });

  test('a long list comes a page at a time', async () => {
    expect(await theirs.page.locator('.issue').count()).toBe(20);
    await theirs.page.getByRole('button', { name: 'Show more' }).press('Enter');
    await expect.poll(() => theirs.page.locator('.issue').count()).toBe(40);
    expect(await theirs.page.evaluate(() => document.activeElement?.textContent)).toBe('Show more');
    await theirs.page.getByRole('button', { name: 'Show more' }).click();
    await expect.poll(() => theirs.page.locator('.issue').count()).toBe(46);
    expect(await theirs.page.getByText('46 issues').count()).toBe(1);
    expect(await theirs.page.getByRole('button', { name: 'Show more' }).count()).toBe(0);
    // The button has gone, and who pressed it goes on where the last page begins.
    const at = await theirs.page.evaluate(() => document.activeElement?.textContent);
    expect(at).toBe((await theirs.titles)[40]);
  });

  test('what is done is there at once and for everybody, and is taken back by Ctrl Z', async () => {
    await mine.page.goto(server.url);
    await mine.add('Write the release notes');
    await theirs.issue('Write the release notes').waitFor();
    await theirs.issue('Write the release notes').click();
    const status = mine.page.getByLabel('Status');
    await status.selectOption('doing');
    await expect.poll(() => theirs.page.locator('.dot.doing').count()).toBe(1);
    await mine.page.keyboard.press('Control+z');
    await expect.poll(() => theirs.page.locator('.dot.doing').count()).toBe(0);
    await mine.page.keyboard.press('Control+Shift+z');
    await expect.poll(() => theirs.page.locator('.dot.doing').count()).toBe(1);
    const undo = mine.page.getByRole('button', { name: 'Undo' });
    await undo.click();
    await expect.poll(() => theirs.page.locator('.dot.doing').count()).toBe(0);
    await undo.click();
    await theirs.page.getByText('This issue is gone').waitFor();
    expect(await undo.isDisabled()).toBe(true);
    await mine.page.keyboard.press('Control+Shift+z');
    await theirs.issue('Write the release notes').waitFor();
    await mine.page.keyboard.press('Control+Shift+z');
    await expect.poll(() => theirs.page.locator('.dot.doing').count()).toBe(1);
  });

  test('a text that is being written is saved by the way back, too, and not lost when somebody else removes the issue', async () => {
    const text = mine.page.getByLabel('Description');
    const title = mine.page.getByLabel('Title', { exact: true });
    await mine.add('Tell how it works');
    await theirs.issue('Tell how it works').click();
    await text.fill('It took an hour.');
    await title.fill('Tell how it works at all');
    await title.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
    await title.dispatchEvent('keydown', { key: 'Escape', keyCode: 229 });
    expect(await title.inputValue()).toBe('Tell how it works at all');
    await title.fill('Tell how it works');
    await mine.page.goBack();
    await expect.poll(() => theirs.page.getByLabel('Description').inputValue()).toMatch(/hour/);
    await mine.page.goForward();
    await text.fill('It took two hours.');
    await theirs.page.getByRole('button', { name: 'Remove' }).click();
    await mine.page.getByRole('alert').getByText('It took two hours.').waitFor();
    await mine.page.getByRole('button', { name: 'Bring it back' }).click();
    await theirs.issue('Tell how it works').click();
    await expect.poll(() => theirs.page.getByLabel('Description').inputValue()).toMatch(/two/);
    await mine.page.getByRole('button', { name: 'Remove' }).click();
    await Promise.all([mine, theirs].map((each) => each.issue('Write the release').click()));
  });

  test('who changes what another has changed meanwhile is asked, and both see what was decided', async () => {
    await server.kill();
    await Promise.all([mine.disconnected(), theirs.disconnected()]);
    await mine.rename('Notes of mine');
    await theirs.rename('Notes of theirs');
    // What one does after the other is no conflict.
    await mine.rename('Release notes of mine');
    await theirs.rename('Release notes of theirs');
    // Each sees its own, and nothing is lost.
    await mine.issue('Release notes of mine').waitFor();
    await theirs.issue('Release notes of theirs').waitFor();
    for (const { page } of [mine, theirs]) await page.getByLabel('Description').focus();
    await server.start();
    await Promise.all([mine.hurry(), theirs.hurry()]);
    const asked = await Promise.race(
      [mine, theirs].map(async (each) => {
        await each.page.getByRole('alertdialog').waitFor();
        return each;
      }),
    );
    await asked.page.screenshot({ path: join(pictures, 'tracker-conflict.png') });
    const [title, other] =
      asked === mine
        ? ['Release notes of mine', 'Release notes of theirs']
        : ['Release notes of theirs', 'Release notes of mine'];
    const question = asked.page.getByRole('alertdialog');
    await expect.poll(() => question.textContent()).toContain(`Yours${title}Theirs${other}`);
    // Who is writing is left to it, and asked afterwards; then they are where they were going.
    expect(await asked.focused('textbox', 'Description')).toBe(true);
    await asked.page.keyboard.press('Tab');
    await expect.poll(() => asked.focused('alertdialog')).toBe(true);
    await asked.page.screenshot({ path: join(pictures, 'tracker-asked.png') });
    await asked.page.keyboard.press('Tab');
    await asked.page.keyboard.press('Enter');
    await expect.poll(() => asked.focused('button', 'Remove')).toBe(true);
    await Promise.all([mine, theirs].map((each) => each.issue(title).waitFor()));
    expect(await asked.page.getByRole('alertdialog').count()).toBe(0);
    // What was refused is not taken back: it was not done.
    await asked.page.keyboard.press('Control+z');
    await expect.poll(() => asked.page.locator('[data-pending=true]').count()).toBe(0);
    expect(await asked.issue(title).count()).toBe(1);
  });

  test.each(['//', '/assets/', '/assets/../index.html', '/?issue=', '/?issue=a%00b', '/?issue=%'])(
    'the address %s, which leads to nothing, is answered whole, and so is the next',
    async (path) => {
      const { hostname, port } = new URL(server.url);
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        get({ hostname, port, path }, resolve).on('error', reject);
      });
      expect(await whole(answer)).toMatch(/<\/html>|not_found/);
      expect((await fetch(server.url)).status).toBe(200);
    },
  );

  test('what a page is made of comes zipped, and is kept', async () => {
    const [address = ''] = /\/assets\/[^"]+\.js/.exec(await (await fetch(server.url)).text()) ?? [];
    const { status, headers } = await fetch(new URL(address, server.url));
    expect([status, headers.get('content-encoding')]).toEqual([200, 'gzip']);
    expect(headers.get('cache-control')).toMatch(/immutable/);
  });

  test('where the system has colours of its own, how far an issue is can still be seen', async () => {
    await mine.page.goto(server.url);
    await mine.page.locator('.issue').first().click();
    await mine.page.emulateMedia({ forcedColors: 'active' });
    const looks: string[] = [];
    for (const status of ['open', 'doing', 'done']) {
      await mine.page.getByLabel('Status').selectOption(status);
      const dot = mine.page.locator(`[aria-current=true] .dot.${status}`);
      looks.push((await dot.screenshot()).toString('base64'));
    }
    expect(new Set(looks).size).toBe(3);
    const chosen = mine.page.locator('.issue[aria-current]');
    expect(await chosen.evaluate((each) => getComputedStyle(each).outlineStyle)).toBe('solid');
    await mine.page.emulateMedia({ forcedColors: 'none' });
  });

  test('it fits a phone, and the dark', async () => {
    const phone = await TrackerPage.open(browser, `${server.url}?issue=import-45`, {
      viewport: { width: 320, height: 720 },
      colorScheme: 'dark',
    });
    expect(await phone.overflow()).toBe(0);
    const panel = phone.page.locator('.panel');
    expect(await panel.evaluate((each) => each.scrollWidth - each.clientWidth)).toBe(0);
    await phone.page.screenshot({ path: join(pictures, 'tracker-phone.png') });
    await phone.page.getByRole('button', { name: 'All issues' }).click();
    // The focus goes along: back to the line of the issue, and into it again.
    const line = phone.issue('Imported 45');
    await expect.poll(() => line.evaluate((each) => each === document.activeElement)).toBe(true);
    await phone.page.keyboard.press('Enter');
    await expect.poll(() => panel.evaluate((each) => each === document.activeElement)).toBe(true);
    await phone.page.getByRole('button', { name: 'All issues' }).click();
    await line.waitFor();
    expect(await phone.overflow()).toBe(0);
    await phone.page.screenshot({ path: join(pictures, 'tracker-phone-list.png') });
    for (const each of [mine, theirs, phone]) expect(each.complaints).toEqual([]);
  });

  test('a title is shown in its own direction, beside one that has no end', async () => {
    await mine.add('w'.repeat(200));
    await mine.add('שלום');
    const list = mine.page.locator('.aside');
    expect(await list.evaluate((each) => each.scrollWidth - each.clientWidth)).toBe(0);
    const title = mine.issue('שלום').locator('.title');
    expect(await title.evaluate((each) => getComputedStyle(each).direction)).toBe('rtl');
    const field = mine.page.getByLabel('Title', { exact: true });
    await expect.poll(() => field.inputValue()).toBe('שלום');
    expect(await field.evaluate((each) => getComputedStyle(each).direction)).toBe('rtl');
  });

  test('who closes the page is asked while something is on its way, what is being written included, and told where nobody lets them in any more', async () => {
    const asked: string[] = [];
    mine.page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.dismiss();
    });
    await expect.poll(() => mine.page.locator('[data-pending=true]').count()).toBe(0);
    server.freeze();
    await mine.page.getByLabel('Description').fill('Half a sen');
    await mine.page.close({ runBeforeUnload: true });
    await expect.poll(() => asked).toEqual(['beforeunload']);
    // It is on its way now, and nothing is being written any more.
    await mine.page.locator('.shown[data-pending=true]').waitFor();
    await mine.page.close({ runBeforeUnload: true });
    await expect.poll(() => asked.length).toBe(2);
    await server.kill();
    await mine.page.context().clearCookies();
    await server.start();
    await mine.hurry();
    await mine.page.getByText('You are signed out.').waitFor();
  });
});
