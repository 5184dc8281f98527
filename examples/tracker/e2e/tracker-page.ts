import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { WatchedPage } from '../../../tools/watched-page.ts';

/** The tracker in a browser, as one person sees it, and what goes over its WebSockets. */
export class TrackerPage extends WatchedPage {
  readonly sent: string[] = [];
  readonly received: string[] = [];
  /** What a request for the page was answered with. */
  html = '';

  /** Opens an address of the tracker in a browser profile of its own. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<TrackerPage> {
    const opened = new TrackerPage(await WatchedPage.blank(browser, options));
    const { page } = opened;
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => opened.sent.push(String(payload)));
      socket.on('framereceived', ({ payload }) => opened.received.push(String(payload)));
    });
    // Whatever is taken out of the page from its first byte on, and what it said at each time.
    await page.addInitScript(() => {
      const said = new Set<string>();
      let removed = 0;
      const watch = new MutationObserver((changes) => {
        for (const { removedNodes } of changes) removed += removedNodes.length;
        const list = document.querySelector('.issues')?.textContent;
        if (list !== undefined && document.querySelector('#seed') !== null) said.add(list);
      });
      watch.observe(document, { childList: true, subtree: true, characterData: true });
      Object.assign(globalThis, { told: () => ({ removed, said: [...said] }) });
    });
    const answer = await page.goto(url);
    opened.html = (await answer?.text()) ?? '';
    return opened;
  }

  /** What was taken out of the page, and what its list has said, since it began. */
  told(): Promise<{ readonly removed: number; readonly said: readonly string[] }> {
    return this.page.evaluate('told()');
  }

  /** How often something was sent. */
  count(event: string): number {
    return this.sent.filter((text) => (JSON.parse(text) as unknown[])[3] === event).length;
  }

  issue(title: string): Locator {
    return this.page.locator('.issue').filter({ hasText: title });
  }

  get titles(): Promise<readonly string[]> {
    return this.page.locator('.issue .title').allTextContents();
  }

  /** Writes an issue as a person with a keyboard does; it is open then. */
  async add(title: string): Promise<void> {
    await this.page.getByLabel('Title of a new issue').fill(title);
    await this.page.keyboard.press('Enter');
    await this.issue(title).waitFor();
  }

  async rename(title: string): Promise<void> {
    await this.page.getByLabel('Title', { exact: true }).fill(title);
    await this.page.keyboard.press('Enter');
  }

  /** Whether what has this role, and name, has the focus. */
  focused(role: Parameters<Page['getByRole']>[0], name?: string): Promise<boolean> {
    const found = this.page.getByRole(role, name === undefined ? {} : { name, exact: true });
    return found.evaluate((each) => each === document.activeElement);
  }

  /** Waits until the page has noticed that its server is gone. */
  async disconnected(): Promise<void> {
    await this.page.locator('.away > p').waitFor({ state: 'attached' });
  }
}
