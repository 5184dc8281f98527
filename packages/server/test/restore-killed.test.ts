import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, promises, readFileSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { backUp, restore } from '@holdfast/server/backup';
import { asStoreName } from '@holdfast/protocol';
import { StorageError } from '@holdfast/server/storage';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';

import { hashOf, site } from './files/site.ts';

const contents = ['first', 'second', 'third'.repeat(100_000)];

/** Calls this before whatever changes something on the disk. */
async function beforeEachEffect(look: () => void): Promise<void> {
  const watch = (on: object, name: string): void => {
    const own: unknown = Reflect.get(on, name);
    if (typeof own !== 'function') throw new TypeError(`there is no ${name}`);
    const watched = function (this: unknown, ...call: unknown[]): unknown {
      look();
      return own.apply(this, call);
    };
    Object.assign(on, { [name]: watched });
    onTestFinished(() => {
      Object.assign(on, { [name]: own });
      syncBuiltinESMExports();
    });
  };
  const handle = await promises.open(import.meta.filename);
  const handles: object = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ['open', 'mkdir', 'rename', 'rm']) watch(promises, name);
  for (const name of ['appendFile', 'sync']) watch(handles, name);
  for (const name of ['exec', 'close']) watch(DatabaseSync.prototype, name);
  watch(StatementSync.prototype, 'run');
  syncBuiltinESMExports();
}

/** What a server finds in a directory; null: nothing was ever there, or it refuses what is. */
async function found(directory: string): Promise<unknown> {
  const isEmpty = !existsSync(join(directory, 'holdfast.db.part'));
  if (isEmpty && !existsSync(join(directory, 'holdfast.db'))) return null;
  try {
    const storage = sqlite({ directory });
    const store = await storage.stores.find(asStoreName('demo/main'));
    const files = await Promise.all(
      contents.map(async (content) => {
        const [hash, digits] = [hashOf(content), hashOf(content).slice(7)];
        const bytes = readFileSync(join(directory, 'files/blobs', digits.slice(0, 2), digits));
        const isWhole = createHash('sha256').update(bytes).digest('hex') === digits;
        return isWhole && (await storage.files.held(store?.id ?? '', hash));
      }),
    );
    await storage.close();
    return files;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    expect(error.message).toMatch(/a restore goes on, or was broken off/);
    return null;
  }
}

test('a restore that is killed at whatever it does leaves nothing that a server would take for a whole one, and is done anew', async () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const here = (name: string): string => join(root, name);
  const { server, call } = await site({ data: here('data') });
  for (const [at, body] of contents.entries()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await call(`f/${at}`, { method: 'PUT', body })).status).toBe(201);
  }
  await server.close();
  await backUp({ from: here('data'), to: here('backup'), now: Date.now });
  const whole = contents.map((content) => content.length);

  const images: string[] = [];
  const look = vi.fn(() => {
    const image = here(`image-${images.length}`);
    if (existsSync(here('new'))) cpSync(here('new'), image, { recursive: true });
    images.push(image);
  });
  await beforeEachEffect(look);
  await restore({ from: here('backup'), to: here('new') });
  look.mockImplementation(() => undefined);
  expect(await found(here('new'))).toEqual(whole);

  const left: boolean[] = [];
  for (const image of images) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const state = await found(image);
    left.push(state !== null);
    if (state !== null) expect(state).toEqual(whole);
    else {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await restore({ from: here('backup'), to: image });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await found(image)).toEqual(whole);
    }
  }
  // From the moment on at which the database has its name.
  expect(left.length).toBeGreaterThan(20);
  expect(left.indexOf(true)).toBeGreaterThan(left.length - 5);
  expect(left.slice(left.indexOf(true))).not.toContain(false);
});
