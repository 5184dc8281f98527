import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Whether there is a Chromium to test in. Without one the tests are skipped, loudly; on CI they fail. */
export const hasChromium = existsSync(executablePath);

if (!hasChromium && process.env['CI'] !== 'true') {
  // oxlint-disable-next-line no-console -- a test that does not run must not look like one that passed
  console.warn(
    `The console is NOT tested: there is no Chromium at ${executablePath}. Install it ("apt-get install chromium") or name it in CHROMIUM_PATH.`,
  );
}

/** Starts the Chromium of this computer. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
