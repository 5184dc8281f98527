import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { bundle } from './bundle.ts';

const executablePath = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Whether there is a Chromium to run pages in. */
export const hasChromium: boolean = existsSync(executablePath);

/** Whether tests in Chromium are to run: without one they are skipped, loudly; on CI they fail. */
export const wantsChromium: boolean = hasChromium || process.env['CI'] === 'true';

if (!wantsChromium) {
  console.warn(
    `Pages are NOT tested: there is no Chromium at ${executablePath}. Install it ("apt-get install chromium") or name it in CHROMIUM_PATH.`,
  );
}

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts the Chromium of this computer, with the profile of a directory or with one of its own. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath, args });
}

/** One window of a Chromium. */
export type OpenWindow = { readonly context: BrowserContext; close(): Promise<void> };

/**
 * Opens a window of a Chromium as people have it: of its tabs the last one is seen, and the others are hidden, have slow
 * timers, and can be frozen. What Playwright starts itself takes all for seen.
 */
export async function openWindow(): Promise<OpenWindow> {
  const profile = mkdtempSync(join(tmpdir(), 'holdfast-window-'));
  const more = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  // An empty page: the one that Chromium begins with otherwise has others in it, and looks for the network.
  const all = [...args, ...more, 'about:blank'];
  const child = spawn(executablePath, all, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const endpoint = await endpointOf(child);
    // What it says from now on nobody reads; in a full pipe it would wait.
    child.stderr.resume();
    const browser = await chromium.connectOverCDP(endpoint, { noDefaults: true });
    const [context] = browser.contexts();
    if (context === undefined) throw new Error('The browser has no window.');
    const close = async (): Promise<void> => {
      await browser.close();
      await end();
    };
    return { context, close };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Where a Chromium says that it can be spoken to. */
async function endpointOf({ stderr }: { readonly stderr: Readable }): Promise<string> {
  for await (const line of createInterface(stderr)) {
    const endpoint = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
    if (endpoint !== undefined) return endpoint;
  }
  throw new Error('Chromium has ended without an address.');
}

/** A page that is one bundled module, at an address of its own. */
export type ServedPage = { readonly url: string; close(): Promise<void> };

/** Bundles a module as an application would, and serves it as a page; React is there if it is wanted. */
export async function servePage(source: string, withReact = false): Promise<ServedPage> {
  const { files } = await bundle(source, withReact);
  const [start = ''] = files.keys();
  const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="/${start}"></script>`;
  const server = createServer(({ url = '/' }, response) => {
    const script = files.get(url.slice(1));
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
    // A frame in a sandbox has another origin than its own module.
    response.setHeader('access-control-allow-origin', '*');
    response.end(script ?? html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
