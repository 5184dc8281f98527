import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backUp, restore } from '@holdfast/server/backup';
import { expect, onTestFinished, test } from 'vitest';

import { receiver } from './receiver.ts';
import { Site } from './site.ts';

test('S108 what follows a restored backup is delivered under other ids than what was lost at the same seqs', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-restored-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const at = (name: string): string => join(directory, name);
  const there = await receiver();
  const first = await Site.open({ data: at('data') });
  await first.hook(there.url);
  await first.put(['kept', 1]);
  await there.heard(1);
  await backUp({ from: at('data'), to: at('backup'), now: first.clock.wall });
  await first.put(['lost', 2]);
  await there.heard(2);
  await first.server.close();

  await restore({ from: at('backup'), to: at('restored') });
  const second = await Site.open({ data: at('restored') });
  await second.put(['new', 2]);
  await expect.poll(() => there.bodies().map(({ path }) => path)).toContain('new');
  const told = (path: string) => there.received.find(({ body }) => body['path'] === path);
  const [lost, fresh] = [told('lost'), told('new')];
  expect([lost?.body['store_seq'], fresh?.body['store_seq']]).toEqual([2, 2]);
  // A receiver that skips what it has seen by this header, as it may, would not have heard of the new one.
  expect(fresh?.headers['holdfast-delivery']).not.toBe(lost?.headers['holdfast-delivery']);
  // One that skips by the seq sees by this one that they count something else from now on.
  const [of, since] = [lost, fresh].map((each) => each?.headers['holdfast-incarnation']);
  expect(since).toBe((await second.server.stores.find('demo/main'))?.incarnation);
  expect(since).not.toBe(of);
});
