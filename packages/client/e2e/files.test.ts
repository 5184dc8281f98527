import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';

const source = `import { roundTrip } from './packages/client/e2e/pages/files.ts';
  window.roundTrip = roundTrip;`;

let server: Server;
let served: ServedPage;
let browser: Browser;
let page: Page;
let at: { url: string; token: string };

describe.skipIf(!hasChromium)('files in Chromium', () => {
  beforeAll(async () => {
    served = await servePage(source);
    server = createServer({ storage: memory(), origins: [new URL(served.url).origin] });
    const { url } = await server.listen();
    await server.stores.create('acme/app');
    const { rawToken } = await server.tokens.issue({
      name: 'test',
      org: 'acme',
      scopes: ['entries:read', 'entries:write', 'files:read', 'files:write'],
      storeAccess: { mode: 'all' },
      expiresAt: null,
      createdBy: null,
    });
    at = { url, token: rawToken };
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(served.url);
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await served.close();
    await server.close({ retryAfterMs: 0 });
  });

  it('S99 a blob and a stream go there and back from a page of another origin, in pieces, with progress', async () => {
    const { url, token } = at;
    const result = await page.evaluate<object>(`roundTrip("${url}", "${token}")`);
    expect(result).toEqual({
      shown: true,
      same: true,
      inPieces: true,
      sameHash: true,
      filename: 'ä.bin',
      size: 3_000_000,
      bytes: [49, 56],
      none: true,
      refused: 'exists',
    });
  }, 180_000);
});
