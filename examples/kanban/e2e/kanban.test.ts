import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { launchChromium, wantsChromium } from '../../../tools/browser.ts';
import { ExampleProcess } from '../../../tools/example-process.ts';
import { BoardPage } from './board-page.ts';

const pictures = process.env['EXAMPLE_PICTURES'] ?? mkdtempSync(join(tmpdir(), 'holdfast-kanban-'));
const server = new ExampleProcess('kanban');
let browser: Browser;
let mine: BoardPage;
let theirs: BoardPage;

/** Both see the same. */
function both(...titles: readonly (readonly string[])[]): Promise<unknown> {
  return Promise.all([mine.shows(...titles), theirs.shows(...titles)]);
}

/** The last card of the second column. */
async function last(board: BoardPage): Promise<string | undefined> {
  return (await board.titles())[1]?.at(-1);
}

describe.runIf(wantsChromium)('the board in Chromium', { timeout: 180_000 }, () => {
  beforeAll(async () => {
    [browser] = await Promise.all([launchChromium(), server.start()]);
    [mine, theirs] = await Promise.all([
      BoardPage.open(browser, server.url),
      BoardPage.open(browser, server.url),
    ]);
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server.remove();
  });

  test('cards are added, and everybody has them', async () => {
    expect(await mine.page.getByText('Nothing here.').count()).toBe(3);
    await mine.page.screenshot({ path: join(pictures, 'kanban-empty.png') });
    await mine.add('To do', 'Write the guide');
    await mine.add('To do', 'Answer the first issues');
    await theirs.card('Answer the first issues').waitFor();
    await theirs.add('To do', 'Choose a name');
    await theirs.add('Doing', 'Build the board');
    await both(
      ['Write the guide', 'Answer the first issues', 'Choose a name'],
      ['Build the board'],
      [],
    );
  });

  test('a second one at the same port ends with a sentence that says what to do', async () => {
    const second = new ExampleProcess('kanban');
    onTestFinished(() => second.remove());
    await expect(second.start('--port', new URL(server.url).port)).rejects.toThrow(
      /ready: error Port \d+ is taken by another program\.\n {2}→ .*--port 0.*\n$/,
    );
  });

  test('a card is dragged by the mouse, within its column and to another', async () => {
    await mine.drag('Choose a name', mine.card('Write the guide'), () =>
      mine.page.screenshot({ path: join(pictures, 'kanban-drag.png') }),
    );
    await both(
      ['Choose a name', 'Write the guide', 'Answer the first issues'],
      ['Build the board'],
      [],
    );
    await theirs.drag('Build the board', theirs.column('Done').getByText('Nothing here.'));
    await both(
      ['Choose a name', 'Write the guide', 'Answer the first issues'],
      [],
      ['Build the board'],
    );
    await mine.drag('Write the guide', mine.card('Build the board'));
    await both(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
  });

  test('a card is moved by the keyboard alone, and each step is announced', async () => {
    const { keyboard } = mine.page;
    await mine.card('Choose a name').focus();
    await keyboard.press('ArrowDown');
    await keyboard.press('Space');
    await mine.said('Picked up “Answer the first issues” from To do, position 2.');
    await keyboard.press('ArrowRight');
    await mine.said('Doing, position 1.');
    await keyboard.press('ArrowRight');
    await keyboard.press('ArrowDown');
    await keyboard.press('ArrowDown');
    await mine.said('Done, position 3.');
    await mine.page.screenshot({ path: join(pictures, 'kanban-keys.png') });
    await keyboard.press('Space');
    await mine.said('Moved “Answer the first issues” to Done, position 3.');
    await both(
      ['Choose a name'],
      [],
      ['Write the guide', 'Build the board', 'Answer the first issues'],
    );
    await keyboard.press('Space');
    await keyboard.press('ArrowLeft');
    await keyboard.press('Escape');
    await mine.said('Put back.');
    await both(
      ['Choose a name'],
      [],
      ['Write the guide', 'Build the board', 'Answer the first issues'],
    );
  });

  test('a card is renamed and deleted, and all of it is taken back', async () => {
    const { keyboard } = mine.page;
    await mine.rename('Choose a name', 'Keep the name');
    await theirs.card('Keep the name').waitFor();
    await mine.card('Build the board').hover();
    await mine.page.getByLabel('Delete Build the board').click();
    await both(['Keep the name'], [], ['Write the guide', 'Answer the first issues']);
    await keyboard.press('Control+z');
    await both(
      ['Keep the name'],
      [],
      ['Write the guide', 'Build the board', 'Answer the first issues'],
    );
    await mine.page.getByRole('button', { name: 'Undo' }).click();
    await both(
      ['Choose a name'],
      [],
      ['Write the guide', 'Build the board', 'Answer the first issues'],
    );
    await keyboard.press('Control+z');
    await both(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
  });

  test('a title that is being written outlives that somebody else moves the card, and is given up with a word where they delete it', async () => {
    const field = mine.page.getByLabel('Title of');
    await mine.add('To do', 'Passed around');
    await theirs.card('Passed around').waitFor();
    await mine.settles();
    await mine.card('Passed around').focus();
    await mine.page.keyboard.press('F2');
    await mine.page.keyboard.type('What took long');
    await theirs.drag('Passed around', theirs.column('Doing').getByText('Nothing here.'));
    await mine.column('Doing').getByRole('textbox', { name: 'Title of' }).waitFor();
    expect(await field.inputValue()).toBe('What took long');
    await mine.page.keyboard.type(' to write');
    // An Enter that ends the choice of a character ends nothing else.
    await field.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
    await field.dispatchEvent('keydown', { key: 'Enter', keyCode: 229 });
    expect(await field.inputValue()).toBe('What took long to write');
    await theirs.settles();
    await theirs.card('Passed around').focus();
    await theirs.page.keyboard.press('Delete');
    await mine.said('Somebody has deleted this card.');
    await mine.shows(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
  });

  test('who opens a title and changes nothing leaves it as somebody else has called it meanwhile', async () => {
    await mine.card('Build the board').dblclick();
    await theirs.rename('Build the board', 'Build it');
    await mine.page.getByLabel('Title of Build the board').blur();
    await mine.rename('Choose a name', 'Keep the name');
    await both(['Keep the name', 'Answer the first issues'], [], ['Write the guide', 'Build it']);
    await mine.rename('Keep the name', 'Choose a name');
    await theirs.rename('Build it', 'Build the board');
  });

  test('a card that is held is put back where the focus goes elsewhere, or nobody has heard of its end', async () => {
    await mine.card('Choose a name').focus();
    await mine.page.keyboard.press(' ');
    await mine.page.keyboard.press('ArrowRight');
    await mine.page.keyboard.press('Tab');
    await mine.said('Put back.');
    const lost = (): Promise<boolean> =>
      mine.page.evaluate(() => dispatchEvent(new PointerEvent('pointermove', { pointerId: 1 })));
    await mine.drag('Choose a name', mine.column('Done'), lost);
    await both(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
    await mine.add('To do', 'Gone amid a drag');
    await theirs.card('Gone amid a drag').focus();
    await mine.drag('Gone amid a drag', mine.column('Done'), async () => {
      await theirs.page.keyboard.press('Delete');
      await mine.page.locator('.flying').waitFor({ state: 'detached' });
      await mine.said('Somebody has deleted this card.');
    });
    await both(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
  });

  test('who is at a card goes on at it where somebody else moves it, and near it where they delete it', async () => {
    await mine.add('To do', 'Gone while held');
    await theirs.card('Gone while held').waitFor();
    await mine.settles();
    await mine.card('Gone while held').focus();
    await theirs.drag('Gone while held', theirs.column('Doing').getByText('Nothing here.'));
    await mine.column('Doing').locator('[data-card]').waitFor();
    await expect.poll(() => mine.focused()).toBe('Gone while held');
    await mine.page.keyboard.press(' ');
    await mine.page.keyboard.press('ArrowLeft');
    await theirs.settles();
    await theirs.card('Gone while held').focus();
    await theirs.page.keyboard.press('Delete');
    await mine.said('Somebody has deleted this card.');
    await expect.poll(() => mine.focused()).toBe('Choose a name');
    await both(
      ['Choose a name', 'Answer the first issues'],
      [],
      ['Write the guide', 'Build the board'],
    );
  });

  test('a server that is killed is survived: what is done meanwhile is shown, and done once, to the same card too', async () => {
    await server.kill();
    await Promise.all([mine.disconnected(), theirs.disconnected()]);
    await mine.drag('Choose a name', mine.column('Doing').getByText('Nothing here.'));
    await theirs.add('To do', 'Said while it was away');
    await theirs.rename('Choose a name', 'Keep the name');
    expect(await mine.titles()).toEqual([
      ['Answer the first issues'],
      ['Choose a name'],
      ['Write the guide', 'Build the board'],
    ]);
    const [here, there] = [
      await mine.watchFlashes('.column ol'),
      await theirs.watchFlashes('.column ol'),
    ];
    await server.start();
    await Promise.all([mine.hurry(), theirs.hurry()]);
    await both(
      ['Answer the first issues', 'Said while it was away'],
      ['Keep the name'],
      ['Write the guide', 'Build the board'],
    );
    // With them one card went, where it was moved by somebody else; it has the name that they gave it meanwhile.
    expect([await here(), await there()]).toEqual([0, 1]);
  });

  test('a column with more than fits shows the whole of each card, and lies over none of what can be done while the server is away', async () => {
    const phone = { viewport: { width: 360, height: 320 } };
    const small = await BoardPage.open(browser, server.url, phone);
    await small.add('To do', 'One whose title has more than a line');
    await small.add('To do', 'Another whose title has more than a line');
    const cut = await small.page
      .locator('[data-card]')
      .evaluateAll((cards) => cards.filter((card) => card.scrollHeight > card.clientHeight));
    expect(cut).toEqual([]);
    await server.kill();
    await small.disconnected();
    // A press on what lies under something else would not come through.
    await small.page.getByRole('button', { name: 'Undo' }).click();
    await small.page.getByRole('button', { name: 'Undo' }).click();
    await small.card('Another whose').waitFor({ state: 'detached' });
    await server.start();
    await Promise.all([small, mine, theirs].map((each) => each.hurry()));
    await expect.poll(() => mine.card('One whose').count()).toBe(0);
    await small.close();
  });

  test('the dark scheme and a phone have everything', async () => {
    await mine.page.screenshot({ path: join(pictures, 'kanban-light.png') });
    await mine.page.emulateMedia({ colorScheme: 'dark' });
    await mine.page.screenshot({ path: join(pictures, 'kanban-dark.png') });
    const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
    const small = await BoardPage.open(browser, server.url, phone);
    expect(await small.overflow()).toBe(0);
    await small.swipe('Answer the first issues', small.card('Said while it was away'));
    await small.shows(
      ['Said while it was away', 'Answer the first issues'],
      ['Keep the name'],
      ['Write the guide', 'Build the board'],
    );
    await small.page.screenshot({ path: join(pictures, 'kanban-phone.png') });
    expect([...mine.complaints, ...theirs.complaints, ...small.complaints]).toEqual([]);
    await small.close();
  });

  test('a card that is held at the end of a long column scrolls it, by the mouse and by a finger', async () => {
    const small = { viewport: { width: 360, height: 420 }, hasTouch: true, isMobile: true };
    const finger = await BoardPage.open(browser, server.url, small);
    const mouse = await BoardPage.open(browser, server.url, {
      viewport: { width: 1100, height: 420 },
    });
    for (let at = 1; at <= 12; at += 1) await mouse.add('Doing', `Long ${at + 10}`);
    await finger.card('Long 22').waitFor();
    await mouse.card('Keep the name').scrollIntoViewIfNeeded();
    await mouse.drag('Keep the name', mouse.page.getByLabel('Add a card to Doing'), () =>
      expect.poll(() => last(mouse)).toBe('Keep the name'),
    );
    await mouse.said('Moved “Keep the name” to Doing, position 13.');
    await expect.poll(() => last(finger)).toBe('Keep the name');
    await finger.card('Long 11').scrollIntoViewIfNeeded();
    await finger.swipe('Long 11', finger.page.getByLabel('Add a card to Doing'), () =>
      expect.poll(() => last(finger)).toBe('Long 11'),
    );
    await expect.poll(() => last(mouse)).toBe('Long 11');
    expect([...finger.complaints, ...mouse.complaints]).toEqual([]);
    await Promise.all([finger.close(), mouse.close()]);
  });

  test('after a card is deleted by the mouse the keys go on beside it, and a title is shown in its own direction', async () => {
    await mine.page.setViewportSize({ width: 1100, height: 900 });
    await mine.add('To do', 'שלום');
    await mine.add('To do', 'The last');
    const direction = (text: string): Promise<string> =>
      mine.page
        .getByText(text, { exact: true })
        .evaluate((each) => getComputedStyle(each).direction);
    expect(await direction('שלום')).toBe('rtl');
    await mine.page.getByText('Delete', { exact: true }).waitFor();
    await mine.card('שלום').hover();
    await mine.page.getByLabel('Delete שלום').click();
    expect(await mine.focused()).toBe('The last');
    await mine.card('The last').hover();
    await mine.page.getByLabel('Delete The last').click();
    expect(await mine.focused()).toBe('Answer the first issues');
  });

  test('who closes the page while something is on its way is asked', async () => {
    const asked: string[] = [];
    theirs.page.on('dialog', (dialog) => {
      asked.push(dialog.type());
      void dialog.accept();
    });
    server.freeze();
    await theirs.add('To do', 'Not there yet');
    await theirs.page.reload({ waitUntil: 'commit', timeout: 1 }).catch(() => undefined);
    await expect.poll(() => asked).toEqual(['beforeunload']);
    await server.kill();
  });

  test('who is not let in any more is told', async () => {
    const refused = { status: 401, json: { error: { code: 'unauthorized' } } };
    await mine.page.route('**/api/whoami', (route) => route.fulfill(refused));
    await mine.hurry();
    await mine.page.getByText('You are signed out.').waitFor();
  });
});
