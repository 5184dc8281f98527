import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type Browser, chromium, type Page } from 'playwright-core';
import { bundle } from '../../tools/bundle.ts';
import type { ChaosPage, PageReport } from './page.ts';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Whether there is a Chromium to run in. */
export const hasChromium = existsSync(executablePath);

/** A page in a real Chromium that writes and watches like everybody else. */
export class Tab {
  readonly #server: Server;
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(server: Server, browser: Browser, page: Page) {
    this.#server = server;
    this.#browser = browser;
    this.#page = page;
  }

  static async open(port: number, seed: number, everyMs: number): Promise<Tab> {
    const entry = JSON.stringify(new URL('page.ts', import.meta.url).pathname);
    const { files } = await bundle(`import ${entry};`);
    const [first = ''] = files.keys();
    const html = `<!doctype html><script type="module" src="/${first}"></script>`;
    const server = createServer(({ url = '' }, response) => {
      const code = files.get(url.slice(1));
      response.setHeader('content-type', code === undefined ? 'text/html' : 'text/javascript');
      response.end(code ?? html);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const own = typeof address === 'object' && address !== null ? address.port : 0;
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
    ];
    const browser = await chromium.launch({ executablePath, args });
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${own}/`);
    const tab = new Tab(server, browser, page);
    await tab.#call((chaos, of) => chaos.open(of.port, of.seed, of.everyMs), {
      port,
      seed,
      everyMs,
    });
    return tab;
  }

  /** The page is frozen, as browsers do to tabs in the background, and thawed after a while. */
  async freeze(ms: number): Promise<void> {
    const session = await this.#page.context().newCDPSession(this.#page);
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    await new Promise((resolve) => setTimeout(resolve, ms));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    await session.detach();
  }

  /** The browser has no network for a while. */
  async offline(ms: number): Promise<void> {
    await this.#page.context().setOffline(true);
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#page.context().setOffline(false);
  }

  async connect(): Promise<void> {
    await this.#call((chaos) => chaos.connect(), null);
  }

  async stop(): Promise<void> {
    await this.#call((chaos) => chaos.stop(), null);
  }

  async settled(): Promise<number> {
    return this.#call((chaos) => chaos.settled(), null);
  }

  async seq(): Promise<number> {
    return this.#call((chaos) => chaos.seq(), null);
  }

  async bookmark(): Promise<void> {
    await this.#call((chaos) => chaos.bookmark(), null);
  }

  async report(): Promise<PageReport> {
    return this.#call((chaos) => chaos.report(), null);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Calls the page; the function is made of text there, and sees nothing of this module. */
  #call<Of, Result>(
    run: (chaos: ChaosPage, of: Of) => Result | Promise<Result>,
    of: Of,
  ): Promise<Result> {
    const script = `(async () => (${run.toString()})(window.chaos, ${JSON.stringify(of)}))()`;
    return this.#page.evaluate<Result>(script);
  }
}
