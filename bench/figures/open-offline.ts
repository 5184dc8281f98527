import { launchChromium, servePage } from '../../tools/browser.ts';
import type { Figure } from '../figure.ts';

const LIMIT_MS = 300;
// The page opens the store as an application does: at once.
const source = `
  import { fill, readable } from './bench/pages/open-offline.ts';
  globalThis.result = location.hash === '#fill' ? fill().then(() => 0) : readable();`;

/** From the start of a page in Chromium, without a server, until 10,000 leaves of the cache have been read. */
export const openOffline: Figure = {
  id: 'open-offline',
  unit: 'ms',
  against: `${LIMIT_MS} ms`,
  goal: { ratio: 1, at: 'most' },
  measure: async () => {
    const [page, browser] = await Promise.all([servePage(source), launchChromium()]);
    try {
      const tab = await browser.newPage();
      await tab.goto(`${page.url}#fill`);
      await tab.waitForFunction('globalThis.result !== undefined');
      await tab.evaluate('result');
      await tab.goto('about:blank');
      await tab.goto(page.url);
      await tab.waitForFunction('globalThis.result !== undefined');
      return { ours: await tab.evaluate<number>('result'), limit: LIMIT_MS };
    } finally {
      await browser.close();
      await page.close();
    }
  },
};
