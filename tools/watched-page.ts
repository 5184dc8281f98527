import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

/** A page in a browser profile of its own, and what is wrong with it. */
export class WatchedPage {
  readonly page: Page;
  /** What the browser complained of: broken scripts, blocked resources. A network that is gone is no fault of the page. */
  readonly complaints: string[] = [];

  protected constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      const isNetwork = /ERR_CONNECTION|WebSocket/.test(message.text());
      if (message.type() !== 'error' || isNetwork) return;
      this.complaints.push(`${message.text()} ${message.location().url}`);
    });
  }

  /** A page with nothing in it, in a profile of its own. */
  protected static async blank(browser: Browser, options: BrowserContextOptions): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: 1100, height: 720 },
      ...options,
    });
    return context.newPage();
  }

  /** From now on counts how often something was taken out of these elements. */
  async watchFlashes(selector: string): Promise<() => Promise<number>> {
    await this.page.evaluate((selected) => {
      let gone = 0;
      const observer = new MutationObserver((changes) => {
        for (const { removedNodes } of changes) gone += removedNodes.length;
      });
      for (const list of document.querySelectorAll(selected)) {
        observer.observe(list, { childList: true });
      }
      Object.assign(globalThis, { flashes: () => gone });
    }, selector);
    return () => this.page.evaluate<number>('flashes()');
  }

  /** Says that the network is back, so that the page does not wait any longer to try. */
  async hurry(): Promise<void> {
    await this.page.evaluate(() => dispatchEvent(new Event('online')));
  }

  /** By how many pixels the page is wider than the screen. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
