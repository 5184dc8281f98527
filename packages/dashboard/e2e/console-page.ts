import type { Browser, BrowserContextOptions, Locator } from 'playwright-core';
import { expect } from 'vitest';
import { WatchedPage } from '../../../tools/watched-page.ts';

/** A console in a browser, as a person sees it. */
export class ConsolePage extends WatchedPage {
  /** Opens a console in a browser profile of its own. */
  static async open(
    browser: Browser,
    url: string,
    options: BrowserContextOptions = {},
  ): Promise<ConsolePage> {
    const size = { width: 1280, height: 800 };
    const opened = new ConsolePage(
      await WatchedPage.blank(browser, { viewport: size, ...options }),
    );
    await opened.page.goto(url);
    await opened.hasState('connected');
    await opened.tree.waitFor();
    return opened;
  }

  get tree(): Locator {
    return this.page.getByRole('tree');
  }

  get value(): Locator {
    return this.page.locator('#value');
  }

  get log(): Locator {
    return this.page.getByRole('listbox', { name: 'Commits' });
  }

  line(path: string): Locator {
    return this.page.locator(`[role=treeitem][data-path="${path}"]`);
  }

  figure(
    name: 'connection' | 'outbox' | 'path' | 'state' | 'type' | 'revision' | 'pending',
  ): Locator {
    return this.page.getByTestId(name);
  }

  /** Waits until the connection is said to be so. */
  async hasState(state: 'connected' | 'reconnecting'): Promise<void> {
    await this.page.locator(`.pill[data-state=${state}]`).waitFor();
  }

  /** Opens the maps above a path, and selects it. */
  async pick(path: string): Promise<void> {
    const segments = path.split('/');
    for (let depth = 1; depth < segments.length; depth++) {
      const map = this.line(segments.slice(0, depth).join('/'));
      await map.waitFor();
      if ((await map.getAttribute('aria-expanded')) === 'false') await map.click();
    }
    await this.line(path).click();
  }

  /** Edits and saves a value as a person with a mouse does. */
  async edit(path: string, text: string): Promise<void> {
    await this.pick(path);
    await this.value.fill(text);
    await this.page.getByRole('button', { name: 'Save', exact: true }).click();
  }

  /** Waits until the line of a leaf shows a value. */
  async shows(path: string, value: string): Promise<void> {
    await expect.poll(() => this.line(path).locator('.value').textContent()).toBe(value);
  }

  /** Waits until the log has something. */
  async logs(text: string): Promise<void> {
    await expect.poll(() => this.log.textContent()).toContain(text);
  }

  /** By how much the edge of the filter stands out from its inside, and its placeholder: of WCAG, 3 and 4.5 at least. */
  async contrasts(): Promise<readonly [edge: number, placeholder: number]> {
    const [ground, edge, placeholder] = await this.page.locator('.filter').evaluate((field) => {
      const { backgroundColor, borderTopColor } = getComputedStyle(field);
      const { color } = getComputedStyle(field, '::placeholder');
      return [backgroundColor, borderTopColor, color] as const;
    });
    return [contrastOf(ground, edge), contrastOf(ground, placeholder)];
  }
}

/** The contrast of two colours, 1 to 21 (WCAG 2.2). */
function contrastOf(one: string, other: string): number {
  const [a, b] = [lightOf(one), lightOf(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function lightOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
