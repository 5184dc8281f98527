import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';

/** The chat in a browser, as one person sees it. */
export class ChatPage {
  readonly page: Page;
  /** What the browser complained of: broken scripts, blocked resources. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      const isNetwork = /ERR_CONNECTION|WebSocket/.test(message.text());
      if (message.type() === 'error' && !isNetwork) this.complaints.push(message.text());
    });
  }

  /** Signs in with a browser profile of one's own. */
  static async open(
    browser: Browser,
    {
      url,
      name,
      ...options
    }: BrowserContextOptions & { readonly url: string; readonly name: string },
  ): Promise<ChatPage> {
    const context = await browser.newContext({
      viewport: { width: 1100, height: 720 },
      ...options,
    });
    const opened = new ChatPage(await context.newPage());
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

  /** From now on counts how often a message was taken off the page. */
  async watchFlashes(): Promise<() => Promise<number>> {
    await this.page.evaluate(() => {
      let gone = 0;
      const observer = new MutationObserver((changes) => {
        for (const { removedNodes } of changes) gone += removedNodes.length;
      });
      observer.observe(document.querySelector('.log') ?? document.body, {
        childList: true,
        subtree: true,
      });
      Object.assign(globalThis, { flashes: () => gone });
    });
    return () => this.page.evaluate<number>('flashes()');
  }

  /** Waits until the page has noticed that its server is gone. */
  async disconnected(): Promise<void> {
    await this.page.locator('.away > p').waitFor({ state: 'attached' });
  }

  /** Says that the network is back, so that the page does not wait any longer to try. */
  async hurry(): Promise<void> {
    await this.page.evaluate(() => dispatchEvent(new Event('online')));
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
