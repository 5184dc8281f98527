import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { ExampleProcess } from '../../../tools/example-process.ts';
import { ChatPage } from './chat-page.ts';

const pictures = process.env['EXAMPLE_PICTURES'] ?? mkdtempSync(join(tmpdir(), 'holdfast-chat-'));
const server = new ExampleProcess('chat');
let browser: Browser;
let ada: ChatPage;
let grace: ChatPage;

describe.runIf(wantsChromium)('the chat in Chromium', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    [browser] = await Promise.all([launchChromium(), server.start()]);
    [ada, grace] = await Promise.all([
      ChatPage.open(browser, { url: server.url, name: 'Ada Lovelace' }),
      ChatPage.open(browser, { url: server.url, name: 'Grace Hopper' }),
    ]);
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server.remove();
  });

  test('a room that is empty says so; who is here, and who is typing, is seen', async () => {
    await ada.page.getByText('Nobody has said anything').waitFor();
    await ada.page.getByRole('list', { name: '2 here' }).waitFor();
    await grace.field.pressSequentially('Hel');
    await ada.page.getByText('Grace Hopper is typing').waitFor();
    await ada.page.screenshot({ path: join(pictures, 'empty.png') });
  });

  test('a second one at the same port ends with a sentence that says what to do', async () => {
    const second = new ExampleProcess('chat');
    onTestFinished(() => second.remove());
    await expect(second.start('--port', new URL(server.url).port)).rejects.toThrow(
      /ready: error Port \d+ is taken by another program\.\n {2}→ .*--port 0.*\n$/,
    );
  });

  test('what one says the other reads, in one order', async () => {
    await grace.say('Hello, Ada!');
    await ada.shows('Hello, Ada!');
    await ada.say('Hello, Grace.\nHow is the compiler?');
    await Promise.all([ada.shows('How is the compiler?'), grace.shows('How is the compiler?')]);
    await grace.say('It compiles.');
    await ada.shows('It compiles.');
    expect(await ada.texts()).toEqual(await grace.texts());
    await ada.page.getByText('is typing').waitFor({ state: 'detached' });
  });

  test('a message is shown before the server has it', async () => {
    await ada.page.evaluate(watchFirst, 'Optimistic');
    await ada.say('Optimistic');
    await ada.shows('Optimistic');
    expect(await ada.page.evaluate('firstSeen')).toBe('true');
  });

  test('a picture is brought while it is being described, with its progress, and everybody sees it', async () => {
    await ada.page.evaluate(watchProgress);
    await ada.page.getByLabel('Add a picture').setInputFiles(await drawing(ada));
    await ada.field.fill('A drawing');
    await ada.page.screenshot({ path: join(pictures, 'chosen.png') });
    await ada.field.press('Enter');
    await Promise.all([ada.shows('A drawing'), grace.shows('A drawing')]);
    const shown = grace.line('A drawing').getByRole('img');
    await expect
      .poll(() => shown.evaluate((image) => (image as HTMLImageElement).naturalWidth))
      .toBe(1600);
    const steps = await ada.page.evaluate<readonly number[]>('steps');
    expect(steps.some((step) => step > 0 && step < 100)).toBe(true);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  });

  test('what is no picture is refused in words', async () => {
    const buffer = Buffer.from('not really');
    const file = { name: 'a.png', mimeType: 'image/png', buffer };
    await ada.page.getByLabel('Add a picture').setInputFiles(file);
    await ada.page.getByRole('alert').getByText('no picture').waitFor();
  });

  test('what is said in another room is counted until it is read, and rooms are changed by the keyboard', async () => {
    await grace.page.keyboard.press('Alt+ArrowDown');
    await grace.page.getByRole('heading', { name: 'design' }).waitFor();
    await grace.say('Which blue?');
    await grace.say('This one.');
    await grace.shows('This one.');
    await ada.room('design').getByLabel('2 unread').waitFor();
    await ada.page.screenshot({ path: join(pictures, 'unread.png') });
    await ada.room('design').click();
    await ada.shows('Which blue?');
    await ada.page.locator('.rule.new').waitFor();
    await expect.poll(() => ada.page.locator('.unread').count()).toBe(0);
    await Promise.all([ada, grace].map(({ page }) => page.keyboard.press('Alt+ArrowUp')));
    await Promise.all([ada, grace].map((each) => each.shows('A drawing')));
  });

  test('a server that is killed is survived: nothing flashes, is lost, or comes twice', async () => {
    const [mine, theirs] = [await ada.watchFlashes('.log ol'), await grace.watchFlashes('.log ol')];
    const before = await ada.texts();
    server.freeze();
    await ada.say('In the air when it fell');
    await ada.line('In the air when it fell').waitFor();
    await server.kill();
    await ada.disconnected();
    await ada.say('Said while it was away');
    await ada.line('Said while it was away').waitFor();
    await ada.page.screenshot({ path: join(pictures, 'away.png') });
    await server.start();
    await Promise.all([ada, grace].map((each) => each.hurry()));
    await Promise.all([ada, grace].map((each) => each.shows('Said while it was away')));
    const after = [...before, 'In the air when it fell', 'Said while it was away'];
    expect(await ada.texts()).toEqual(after);
    expect(await grace.texts()).toEqual(after);
    expect([await mine(), await theirs()]).toEqual([0, 0]);
    await grace.say('Here again');
    await ada.shows('Here again');
    await ada.page.getByRole('list', { name: '2 here' }).waitFor();
  });

  test('a picture whose server fell before it was sent is brought again', async () => {
    await ada.page.getByLabel('Add a picture').setInputFiles(await drawing(ada, 0));
    await ada.page.locator('.chosen').waitFor();
    await ada.page.locator('.chosen progress').waitFor({ state: 'detached' });
    await server.kill();
    await ada.disconnected();
    await ada.say('Another drawing');
    await ada.line('Another drawing').waitFor();
    await server.start();
    await Promise.all([ada, grace].map((each) => each.hurry()));
    await Promise.all([ada, grace].map((each) => each.shows('Another drawing')));
    expect(await ada.line('Another drawing').count()).toBe(1);
    expect(await ada.page.locator('.unsent').count()).toBe(0);
    expect(await grace.line('Another drawing').getByRole('img').count()).toBe(1);
  });

  test('an Enter or Escape that ends the choice of a character does no more than that', async () => {
    await ada.field.fill('にほ');
    await ada.field.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
    await ada.field.dispatchEvent('keydown', { key: 'Enter', keyCode: 229 });
    expect(await ada.field.inputValue()).toBe('にほ');
    await ada.field.fill('');
  });

  test('who sends a message while its picture is still being looked at sends it with the picture', async () => {
    const picture = await drawing(ada, 0);
    await ada.page.evaluate(slowFirst);
    await ada.page.getByLabel('Add a picture').setInputFiles(picture);
    await ada.say('With its picture');
    await ada.page.evaluate(() => createImageBitmap(new ImageData(1, 1)));
    await ada.line('With its picture').getByRole('img').waitFor();
  });

  test('of two pictures the one chosen last is sent, and text that is pasted or dropped goes where it goes', async () => {
    const [large, small] = [await drawing(ada), await drawing(ada, 0)];
    const input = ada.page.getByLabel('Add a picture');
    // It takes longer to look at than the one after it.
    await ada.page.evaluate(slowFirst);
    await input.setInputFiles({ ...large, name: 'first.png' });
    await input.setInputFiles({ ...small, name: 'last.png' });
    await ada.page.getByText('last.png').waitFor();
    await ada.page.evaluate('lookedAt');
    await ada.page.locator('.chosen progress').waitFor({ state: 'detached' });
    expect(await ada.page.locator('.chosen figcaption').textContent()).toBe('last.png');
    await ada.page.getByLabel('Remove the picture').click();
    expect(await ada.field.evaluate((each) => each === document.activeElement)).toBe(true);
    const kept = await ada.field.evaluate((field) => {
      const [cells, text] = [new DataTransfer(), new DataTransfer()];
      cells.setData('text/plain', 'a');
      cells.items.add(new File(['a'], 'cells.png', { type: 'image/png' }));
      text.setData('text/plain', 'a');
      field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: cells, bubbles: true }));
      const over = { dataTransfer: text, bubbles: true, cancelable: true };
      return field.dispatchEvent(new DragEvent('dragover', over));
    });
    expect(kept).toBe(true);
    await ada.field.press('Escape');
    expect(await ada.page.locator('.composer .problem, .chosen').count()).toBe(0);
    const file = await ada.page.evaluateHandle(fileInHand);
    expect(await ada.page.locator('.sidebar').evaluate(takesFile, file)).toBe(true);
  });

  test('a picture that was chosen is still there for who comes back from another room, and is sent', async () => {
    const chosen = ada.page.locator('.chosen figcaption');
    await ada.page.getByLabel('Add a picture').setInputFiles(await drawing(ada, 0));
    await chosen.waitFor();
    await ada.room('design').click();
    await ada.page.getByRole('heading', { name: 'design' }).waitFor();
    expect(await chosen.count()).toBe(0);
    await ada.room('general').click();
    await chosen.getByText('drawing.png').waitFor();
    await ada.say('Brought along');
    await Promise.all([ada.shows('Brought along'), grace.shows('Brought along')]);
    expect(await grace.line('Brought along').getByRole('img').count()).toBe(1);
    await ada.room('design').click();
    await ada.page.getByRole('heading', { name: 'design' }).waitFor();
    await ada.room('general').click();
    await ada.shows('Brought along');
    expect(await ada.page.locator('.chosen').count()).toBe(0);
  });

  test('at midnight what was said today was said yesterday', async () => {
    const { url } = server;
    const night = await ChatPage.open(browser, { url, name: '😀 Night' });
    expect(await night.page.locator('.me .avatar').textContent()).toBe('😀N');
    await night.page.clock.install();
    await night.page.goto(`${url}/#nowhere`);
    await night.page.reload();
    await night.field.waitFor();
    expect(await night.page.locator('[aria-current=page]').textContent()).toBe('general');
    expect(await night.page.locator('.rule:not(.new)').allTextContents()).toEqual(['Today']);
    await night.page.clock.fastForward('24:00:00');
    await expect
      .poll(() => night.page.locator('.rule:not(.new)').allTextContents())
      .toEqual(['Yesterday']);
    await night.close();
  });

  test('who is signed out elsewhere is told, and a cookie that nobody can read is nobody', async () => {
    const { url } = server;
    const mary = await ChatPage.open(browser, { url, name: 'Mary' });
    await mary.page.context().clearCookies();
    await server.kill();
    await mary.disconnected();
    await server.start();
    await Promise.all([mary, ada, grace].map((each) => each.hurry()));
    await mary.page.getByText('You are signed out.').waitFor();
    await mary.page.context().addCookies([{ name: 'chat-name', value: '%E0%A4%A', url }]);
    await mary.page.reload();
    await mary.page.getByLabel('Your name').waitFor();
    await mary.close();
  });

  test('who closes the page while a message is on its way is asked', async () => {
    const mary = await ChatPage.open(browser, { url: server.url, name: 'Mary' });
    const asked: string[] = [];
    mary.page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    server.freeze();
    await mary.say('Not there yet');
    await mary.line('Not there yet').waitFor();
    await mary.page.goto('about:blank');
    expect(asked).toEqual(['beforeunload']);
    await mary.close();
    await server.kill();
    await server.start();
    await Promise.all([ada, grace].map((each) => each.hurry()));
  });

  test('what the server has refused is there when its writer comes back to the room, and asks before the page closes', async () => {
    const mary = await ChatPage.open(browser, { url: server.url, name: 'Mary' });
    const asked: string[] = [];
    mary.page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    const refused = mary.page.locator('.unsent');
    await mary.field.evaluate((field) => field.removeAttribute('maxlength'));
    await mary.say('x'.repeat(4001));
    await refused.waitFor();
    await mary.room('design').click();
    await refused.waitFor({ state: 'detached' });
    await mary.room('general').click();
    await refused.waitFor();
    await mary.page.goto('about:blank');
    expect(asked).toEqual(['beforeunload']);
    await mary.close();
  });

  test('the dark scheme and a phone have everything', async () => {
    await ada.page.screenshot({ path: join(pictures, 'light.png') });
    await ada.page.emulateMedia({ colorScheme: 'dark' });
    await ada.page.screenshot({ path: join(pictures, 'dark.png') });
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await ada.page.screenshot({ path: join(pictures, 'phone-dark.png') });
    expect(await ada.overflow()).toBe(0);
    await ada.page.emulateMedia({ colorScheme: 'light' });
    await ada.page.screenshot({ path: join(pictures, 'phone.png') });
    expect([...ada.complaints, ...grace.complaints]).toEqual([]);
  });
});

/** Has the first picture from now on be looked at only after the second one. */
function slowFirst(): void {
  const look = createImageBitmap.bind(globalThis);
  let count = 0;
  const second = new Promise<void>((resolve) => {
    const slow = async (file: ImageBitmapSource): Promise<ImageBitmap> => {
      count += 1;
      if (count === 1) await second;
      else setTimeout(() => resolve());
      return look(file);
    };
    Object.assign(globalThis, { createImageBitmap: slow });
  });
  Object.assign(globalThis, { lookedAt: second });
}

function fileInHand(): DataTransfer {
  const data = new DataTransfer();
  data.items.add(new File(['a'], 'a.png', { type: 'image/png' }));
  return data;
}

/** Whether a file that is dropped here does not replace the page. */
function takesFile(place: Element, dataTransfer: DataTransfer): boolean {
  return !place.dispatchEvent(
    new DragEvent('dragover', { dataTransfer, bubbles: true, cancelable: true }),
  );
}

type Drawing = { readonly name: string; readonly mimeType: string; readonly buffer: Buffer };

/** Draws a picture, and makes it large, so that it takes some chunks to bring. */
async function drawing({ page }: ChatPage, bytes = 4_000_000): Promise<Drawing> {
  const base64 = await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [1600, 900];
    const paint = canvas.getContext('2d');
    if (paint === null) throw new Error('There is nothing to paint on.');
    for (let at = 0; at < 40_000; at++) {
      paint.fillStyle = `hsl(${200 + (at % 60)} 70% ${30 + ((at * 7) % 40)}%)`;
      paint.fillRect((at * 37) % 1600, (at * 101) % 900, 6, 3);
    }
    return canvas.toDataURL('image/png').split(',')[1] ?? '';
  });
  // Whatever follows the picture is no part of it.
  const picture = Buffer.from(base64, 'base64');
  const buffer = Buffer.concat([picture, Buffer.alloc(Math.max(0, bytes - picture.length))]);
  return { name: 'drawing.png', mimeType: 'image/png', buffer };
}

/** Notes in the page whether a message was pending when it was first seen. */
function watchFirst(text: string): void {
  const observer = new MutationObserver(() => {
    const lines = [...document.querySelectorAll('.line')];
    const line = lines.find(({ textContent }) => textContent.includes(text));
    if (line === undefined) return;
    Object.assign(globalThis, { firstSeen: line.getAttribute('data-pending') });
    observer.disconnect();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

/** Notes in the page how far the upload is said to be. */
function watchProgress(): void {
  const steps: number[] = [];
  Object.assign(globalThis, { steps });
  const look = (): void => {
    const value = document.querySelector('progress')?.value;
    if (value !== undefined && value !== steps.at(-1)) steps.push(value);
    requestAnimationFrame(look);
  };
  look();
}
