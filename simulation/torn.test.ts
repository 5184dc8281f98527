import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  appendFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@holdfast/client';
import { createServer } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { seed } from '../tools/seed.ts';
import { contentOf } from './kill/content.ts';
import { storeName, token } from './place.ts';
import { Dice } from './src/dice.ts';
import { leavesOf, Truth } from './validators/truth.ts';
import { dense, whole } from './validators/writes.ts';

const commits = 40;
const tears = 60;

/** Where the write-ahead log ended, and how many ops there were, when a commit had been acknowledged. */
type Mark = { readonly bytes: number; readonly ops: number };

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-torn-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes one commit after the other, and never closes: what is on the disk is what a power cut would leave. */
async function written(directory: string, dice: Dice): Promise<readonly Mark[]> {
  const server = createServer({
    data: directory,
    rates: false,
    authenticate: async () => ({
      subject: token,
      orgs: ['acme'],
      scopes: new Set(['entries:read', 'entries:write'] as const),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    }),
  });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  await server.stores.create(storeName);
  const { url } = await server.listen();
  const client = createClient({ url: url.replace('http', 'ws'), token });
  onTestFinished(() => client.close());
  const store = client.store(storeName);
  await store.ready;
  const size = (): number => statSync(join(directory, 'holdfast.db-wal')).size;
  const marks: Mark[] = [{ bytes: size(), ops: 0 }];
  for (let i = 0; i < commits; i++) {
    const writes = Array.from({ length: 1 + dice.below(4) }, () => ({
      path: `p/${dice.below(9)}`,
      value: `${i} `.repeat(dice.below(900)),
    }));
    const receipt = store.transact((tx) => {
      for (const { path, value } of writes) tx.put(path, value);
    });
    marks.push({ ops: (await receipt.committed).seq, bytes: size() });
  }
  return marks;
}

test(
  'S112 a disk that tore what it was just writing leaves every acknowledged commit, and none of the torn one',
  { timeout: 240_000 },
  async () => {
    const dice = new Dice(seed);
    const directory = temporary();
    const marks = await written(directory, dice);
    const copies = temporary();
    let torn = 0;
    for (let tear = 0; tear < tears; tear++) {
      const place = dice.below(commits);
      const [before, after] = [marks[place], marks[place + 1]];
      if (before === undefined || after === undefined || after.bytes <= before.bytes) continue;
      torn += 1;
      const at = before.bytes + dice.below(after.bytes - before.bytes);
      const copy = join(copies, String(tear));
      mkdirSync(copy);
      for (const name of ['holdfast.db', 'holdfast.db-wal']) {
        copyFileSync(join(directory, name), join(copy, name));
      }
      const wal = join(copy, 'holdfast.db-wal');
      truncateSync(wal, at);
      // The rest of the sector is whatever it was.
      if (dice.chance(0.5)) {
        appendFileSync(
          wal,
          Buffer.from(Array.from({ length: dice.below(9000) }, () => dice.below(256))),
        );
      }
      const { ops, entries } = await contentOf(copy);
      const truth = new Truth(ops);
      expect({ seed, tear, head: truth.head }).toEqual({ seed, tear, head: before.ops });
      expect([...dense(truth), ...whole(truth)]).toEqual([]);
      expect(entries).toEqual(leavesOf(truth.stateAt(truth.head)));
    }
    expect(torn).toBeGreaterThan(tears / 2);
  },
);
