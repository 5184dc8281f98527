import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '@holdfast/client';
import { hasChromium, launchChromium, type ServedPage, servePage } from '../../../tools/browser.ts';

type Address = { readonly url: string; readonly port: number; readonly token: string };

/** A server process that can be killed and started again where it was. */
class ServerProcess {
  readonly #directory = mkdtempSync(join(tmpdir(), 'holdfast-offline-'));
  #child: ChildProcess | null = null;
  #at: Address | null = null;

  get at(): Address {
    if (this.#at === null) throw new Error('it was never started');
    return this.#at;
  }

  async start(): Promise<Address> {
    const args = [this.#directory, String(this.#at?.port ?? 0)];
    const child = fork(join(import.meta.dirname, 'server.ts'), args, {
      execArgv: ['--conditions=@holdfast/source'],
    });
    this.#child = child;
    const ended = once(child, 'exit').then(() => {
      throw new Error('the server process ended');
    });
    ended.catch(() => undefined);
    const [told]: readonly unknown[] = await Promise.race([once(child, 'message'), ended]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the process is ours
    const at = told as Address;
    // The token of before is as good.
    this.#at = { ...at, token: this.#at?.token ?? at.token };
    return this.#at;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true });
  }
}

const sources = {
  law: `
    import { keepsTheLaw } from './packages/client/e2e/pages/law.ts';
    globalThis.keepsTheLaw = keepsTheLaw;`,
  offline: `
    import { application } from './packages/client/e2e/pages/offline.ts';
    globalThis.application = application;`,
};

describe.skipIf(!hasChromium)('in Chromium', () => {
  let browser: Browser;
  let server: ServerProcess;
  let pages: { readonly [name in keyof typeof sources]: ServedPage };

  beforeAll(async () => {
    const [law, offline] = [await servePage(sources.law), await servePage(sources.offline)];
    pages = { law, offline };
    browser = await launchChromium();
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await Promise.all(Object.values(pages).map((page) => page.close()));
  });

  beforeEach(() => {
    server = new ServerProcess();
  });

  afterEach(() => server[Symbol.asyncDispose]());

  /** Opens the application, or opens it anew. */
  async function visit(page: Page): Promise<void> {
    const { url, token } = server.at;
    const hash = new URLSearchParams({ url, token }).toString();
    if (page.url() === 'about:blank') await page.goto(`${pages.offline.url}#${hash}`);
    else await page.reload();
    await page.waitForFunction('globalThis.application !== undefined');
  }

  it('the IndexedDB cache keeps the law of caches', async () => {
    const page = await browser.newPage();
    await page.goto(pages.law.url);
    await page.waitForFunction('globalThis.keepsTheLaw !== undefined');
    const results = await page.evaluate<[string, string | null][]>('keepsTheLaw()');
    expect(results.length).toBeGreaterThan(10);
    expect(results.filter(([, broken]) => broken !== null)).toEqual([]);
    await page.close();
  }, 180_000);

  it('10,000 leaves that were cached can be read after a reload without the server', async () => {
    const { url, token } = await server.start();
    const writer = createClient({ url, token });
    const docs = writer.store('acme/app');
    for (let part = 0; part < 10; part++) {
      const leaves = Array.from({ length: 1000 }, (_, n) => [`doc${part * 1000 + n}`, n]);
      docs.put(`docs/${part}`, Object.fromEntries(leaves));
    }
    await docs.settled();
    await writer.close();
    const context = await browser.newContext();
    const page = await context.newPage();
    await visit(page);
    await page.evaluate('application.store.ready');
    await page.evaluate('application.client.close()');
    await server.kill();
    await visit(page);
    const { sum } = await page.evaluate<{ sum: number }>('application.readable(10_000)');
    expect(sum).toBe(10 * ((999 * 1000) / 2));
    expect(await page.evaluate('application.errors')).toEqual([]);
    await context.close();
  }, 180_000);

  it('S64 500 edits made offline over three reloads arrive in order, once each, when the server returns', async () => {
    await server.start();
    const context = await browser.newContext();
    const page = await context.newPage();
    await visit(page);
    await page.evaluate('application.store.ready');
    await server.kill();
    for (const from of [0, 100, 200, 300]) {
      const count = from === 300 ? 200 : 100;
      await page.evaluate(`application.edit(${from}, ${count})`);
      await visit(page);
    }
    await page.evaluate('application.store.ready');
    expect(await page.evaluate('application.store.get("edited")')).toBe(500);
    const { url, token } = await server.start();
    await page.evaluate('application.client.connect()');
    await page.evaluate('application.store.settled()');
    const reader = createClient({ url, token });
    const store = reader.store('acme/app');
    await store.ready;
    const revisions = Array.from({ length: 500 }, (_, n) => store.entry(`edits/${n}`)?.revision);
    expect(revisions).toEqual(Array.from({ length: 500 }, (_, n) => 2 * n + 1));
    expect([store.get('edited'), store.status.get().seq]).toEqual([500, 1000]);
    await reader.close();
    await context.close();
  }, 180_000);
});
