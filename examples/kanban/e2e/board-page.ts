import type { Browser, BrowserContextOptions, Locator } from 'playwright-core';
import { expect } from 'vitest';
import { WatchedPage } from '../../../tools/watched-page.ts';

/** The board in a browser, as one person sees it. */
export class BoardPage extends WatchedPage {
  /** Opens the board in a browser profile of its own. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<BoardPage> {
    const opened = new BoardPage(await WatchedPage.blank(browser, options));
    await opened.page.goto(url);
    await opened.column('To do').waitFor();
    return opened;
  }

  column(title: string): Locator {
    return this.page
      .locator('.column')
      .filter({ has: this.page.getByRole('heading', { name: title }) });
  }

  card(title: string): Locator {
    return this.page.locator('[data-card]').filter({ hasText: title });
  }

  /** Adds a card as a person with a keyboard does. */
  async add(column: string, title: string): Promise<void> {
    await this.page.getByLabel(`Add a card to ${column}`).fill(title);
    await this.page.keyboard.press('Enter');
    await this.card(title).waitFor();
  }

  /** Gives a card another title by the keyboard. */
  async rename(title: string, next: string): Promise<void> {
    await this.card(title).focus();
    await this.page.keyboard.press('Enter');
    await this.page.keyboard.type(next);
    await this.page.keyboard.press('Enter');
    await this.card(next).waitFor();
  }

  /** The titles in each column. */
  async titles(): Promise<readonly (readonly string[])[]> {
    const columns = await this.page.locator('.column').all();
    return Promise.all(columns.map((each) => each.locator('[data-card] > p').allTextContents()));
  }

  /** Waits until the columns hold these cards, as the server has them. */
  async shows(...titles: readonly (readonly string[])[]): Promise<void> {
    await expect.poll(() => this.titles()).toEqual(titles);
    await this.settles();
  }

  /** Waits until nothing is on its way: a card that is cannot be picked up or deleted. */
  async settles(): Promise<void> {
    await expect.poll(() => this.page.locator('[data-pending=true]').count()).toBe(0);
  }

  /** Takes a card by the mouse and lets it go over a place. */
  async drag(title: string, target: Locator, meanwhile?: () => Promise<unknown>): Promise<void> {
    const [from, to] = [await boxOf(this.card(title)), await boxOf(target)];
    const { mouse } = this.page;
    await mouse.move(from.x + 20, from.y + 20);
    await mouse.down();
    await mouse.move(from.x + 40, from.y + 30, { steps: 3 });
    await mouse.move(to.x + to.width / 2, to.y + 4, { steps: 8 });
    await meanwhile?.();
    await mouse.up();
  }

  /** Takes a card by its grip with a finger and lets it go below another one. */
  async swipe(title: string, target: Locator, meanwhile?: () => Promise<unknown>): Promise<void> {
    const [from, to] = [await boxOf(this.card(title).locator('.grip')), await boxOf(target)];
    const finger = await this.page.context().newCDPSession(this.page);
    const x = from.x + from.width / 2;
    const at = (type: 'touchStart' | 'touchMove', y: number): Promise<unknown> =>
      finger.send('Input.dispatchTouchEvent', { type, touchPoints: [{ x, y }] });
    await at('touchStart', from.y + 10);
    await at('touchMove', from.y + 30);
    await at('touchMove', to.y + to.height - 4);
    await meanwhile?.();
    await finger.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  }

  /** The title of the card that has the focus. */
  focused(): Promise<string | null | undefined> {
    return this.page.evaluate(() => document.activeElement?.querySelector('p')?.textContent);
  }

  async said(text: string): Promise<void> {
    await this.page.getByRole('status').getByText(text).waitFor();
  }

  /** Waits until the page has noticed that its server is gone. */
  async disconnected(): Promise<void> {
    await this.page.locator('.away > p').waitFor({ state: 'attached' });
  }
}

async function boxOf(
  place: Locator,
): Promise<{ x: number; y: number; width: number; height: number }> {
  const box = await place.boundingBox();
  if (box === null) throw new Error('It is not on the page.');
  return box;
}
