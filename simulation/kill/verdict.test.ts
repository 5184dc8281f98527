import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { createServer, scopes } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { seed } from '../../tools/seed.ts';
import { runChaos } from '../chaos/run.ts';
import { storeName, token } from '../place.ts';
import { type OrdealMutant, ordealMutants, spoiled } from './mutants.ts';
import { Reader } from './reader.ts';
import { runKills } from './run.ts';
import { openSite } from './site.ts';
import { type Judge, verdictOf } from './verdict.ts';

/** What an ordeal comes to where its end is spoiled, in each of the ways. */
type Spoilt = { readonly [mutant in OrdealMutant]?: string };

/** Judges what is spoiled, and then what is not. */
function judgeOf(spoilt: { [mutant in OrdealMutant]?: string }): Judge {
  return async (directory, testimony) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of that very table
    for (const mutant of Object.keys(ordealMutants) as OrdealMutant[]) {
      const copy = mkdtempSync(join(tmpdir(), 'holdfast-spoilt-'));
      cpSync(directory, copy, { recursive: true });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { problems } = await verdictOf(copy, spoiled(mutant, copy, testimony));
      spoilt[mutant] = [...new Set(problems.map(({ word }) => word))].join();
      rmSync(copy, { recursive: true });
    }
    return verdictOf(directory, testimony);
  };
}

const wanted = Object.fromEntries(
  Object.entries(ordealMutants).map(([mutant, word]) => [mutant, expect.stringContaining(word)]),
);

describe('the verdict on an ordeal notices what is spoiled', { timeout: 240_000 }, () => {
  it('where a server was killed (S112)', async () => {
    const spoilt: Spoilt = {};
    const { problems } = await runKills({ kills: 3, seed, judge: judgeOf(spoilt) });
    expect(problems).toEqual([]);
    expect(spoilt).toEqual(wanted);
  });

  it('where the network did its worst (S54)', async () => {
    const spoilt: Spoilt = {};
    const plan = { seconds: 4, seed, browser: false, judge: judgeOf(spoilt) };
    const { problems } = await runChaos(plan);
    expect(problems).toEqual([]);
    expect(spoilt).toEqual(wanted);
  });
});

test('a reader notices half of a transaction', async () => {
  const server = createServer({
    storage: memory(),
    authenticate: async () => ({
      subject: token,
      orgs: ['acme'],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    }),
  });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  await server.stores.create(storeName);
  const { port } = await server.listen();
  const errors: unknown[] = [];
  const [reader, writer] = [
    await Reader.open('reader', port, errors),
    openSite('writer', port, errors),
  ];
  onTestFinished(async () => {
    for (const { client } of [reader.site, writer]) await client.close();
  });
  await writer.store.transact((tx) => {
    for (const side of ['left', 'right']) tx.put(`pair/0/${side}`, 1);
  }).committed;
  const half = await writer.store.put('pair/0/left', 2).committed;
  await expect.poll(() => reader.seq).toBe(half.seq);
  await expect.poll(() => reader.problems.map(({ word }) => word)).toContain('atomic');
  expect(errors).toEqual([]);
});
