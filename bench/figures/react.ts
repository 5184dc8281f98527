import { launchChromium, servePage } from '../../tools/browser.ts';
import type { Figure } from '../figure.ts';

const UPDATES_PER_SECOND = 200;
const source = `
  import { mount, run } from './bench/pages/react-entries.ts';
  Object.assign(globalThis, { mount, run });`;

/** A browser that starts, and a page that loads, while the machine has much else to do. */
const patienceMs = 180_000;

/**
 * Time in scripts, in Chromium, of 1,000 mounted useEntry of which 200 values change in a second, against zustand with as
 * many selectors: from the frame, as the socket's callback gets it, to the page. It is time of the page's thread, which
 * what else runs on the machine does not add to.
 */
export const react: Figure = {
  id: 'react',
  unit: 'ms script/s',
  against: 'zustand with the same selectors',
  goal: { ratio: 1.3, at: 'most' },
  measure: async (quick) => {
    const seconds = quick ? 2 : 5;
    const page = await servePage(source, true);
    try {
      const ours = await perSecond(page.url, 'ours', seconds);
      return { ours, limit: await perSecond(page.url, 'zustand', seconds) };
    } finally {
      await page.close();
    }
  },
};

async function perSecond(url: string, kind: string, seconds: number): Promise<number> {
  const browser = await launchChromium();
  try {
    const tab = await browser.newPage();
    tab.setDefaultTimeout(patienceMs);
    await tab.goto(url);
    await tab.waitForFunction('globalThis.mount !== undefined');
    await tab.evaluate(`mount('${kind}')`);
    await tab.evaluate('run(0, 1)');
    const session = await tab.context().newCDPSession(tab);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const scripted = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'ScriptDuration')?.value ?? Number.NaN;
    };
    const before = await scripted();
    const renders = await tab.evaluate<number>(`run(${UPDATES_PER_SECOND}, ${seconds})`);
    const took = (await scripted()) - before;
    const updates = seconds * UPDATES_PER_SECOND;
    if (renders !== updates) throw new Error(`${kind}: ${renders} renders of ${updates} updates`);
    return (took * 1000) / seconds;
  } finally {
    await browser.close();
  }
}
