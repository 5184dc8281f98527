import type { Browser, BrowserContextOptions, Locator } from 'playwright-core';
import { WatchedPage } from '../../../tools/watched-page.ts';

/** The chat in a browser, as one person sees it. */
export class ChatPage extends WatchedPage {
  /** Signs in with a browser profile of one's own. */
  static async open(
    browser: Browser,
    {
      url,
      name,
      ...options
    }: BrowserContextOptions & { readonly url: string; readonly name: string },
  ): Promise<ChatPage> {
    const opened = new ChatPage(await WatchedPage.blank(browser, options));
    await opened.page.goto(url);
    await opened.page.getByLabel('Your name').fill(name);
    await opened.page.keyboard.press('Enter');
    await opened.field.waitFor();
    return opened;
  }

  get field(): Locator {
    return this.page.getByRole('textbox', { name: /^Message to/ });
  }

  get lines(): Locator {
    return this.page.locator('.line');
  }

  line(text: string): Locator {
    return this.lines.filter({ hasText: text });
  }

  /** Says something as a person with a keyboard does. */
  async say(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  /** Waits until a message is there, and is the server's. */
  async shows(text: string): Promise<void> {
    await this.page.locator('.line[data-pending=false]', { hasText: text }).waitFor();
  }

  async texts(): Promise<readonly string[]> {
    return this.lines.locator('p').allTextContents();
  }

  room(name: string): Locator {
    return this.page.getByRole('navigation').getByRole('link', { name });
  }

  /** Waits until the page has noticed that its server is gone. */
  async disconnected(): Promise<void> {
    await this.page.locator('.away > p').waitFor({ state: 'attached' });
  }
}
