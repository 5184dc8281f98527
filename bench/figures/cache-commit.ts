import { launchChromium, servePage } from '../../tools/browser.ts';
import type { Figure } from '../figure.ts';

const source = `
  import { measure } from './bench/pages/cache-commit.ts';
  globalThis.measure = measure;`;

/** Entries a second that the IndexedDB cache commits in Chromium, against bare puts in transactions of the same size. */
export const cacheCommit: Figure = {
  id: 'cache-commit',
  unit: 'entries/s',
  against: 'bare IndexedDB puts of the same leaves, as many per transaction',
  goal: { ratio: 0.5, at: 'least' },
  measure: async (quick) => {
    const [page, browser] = await Promise.all([servePage(source), launchChromium()]);
    try {
      const tab = await browser.newPage();
      await tab.goto(page.url);
      await tab.waitForFunction('globalThis.measure !== undefined');
      const { ours, raw } = await tab.evaluate<{ ours: number; raw: number }>(
        `measure(${quick ? 4 : 40}, 500)`,
      );
      return { ours, limit: raw };
    } finally {
      await browser.close();
      await page.close();
    }
  },
};
