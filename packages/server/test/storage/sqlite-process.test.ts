import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { asStoreName } from '@holdfast/protocol';
import { sqlite } from '@holdfast/server/storage/sqlite';

const root = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Child = ChildProcessByStdio<Writable, Readable, null>;

const script = join(import.meta.dirname, 'writer.ts');
const node = [process.execPath, '--conditions=@holdfast/source', script] as const;

async function prepare(name: string): Promise<string> {
  const directory = join(root, name);
  const storage = sqlite({ directory });
  const store = { id: 's', name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
  await storage.stores.create(store);
  await storage.close();
  return directory;
}

function start(command: readonly string[]): Child {
  const [program = '', ...args] = command;
  return spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Lets a process write and kills it when it has acknowledged that much; returns what it has acknowledged. */
async function killOnceAt(directory: string, head: number): Promise<number> {
  const child = start([...node, directory, 's']);
  let acknowledged = 0;
  for await (const line of createInterface(child.stdout)) {
    acknowledged = Number(line);
    if (acknowledged >= head) child.kill('SIGKILL');
  }
  return acknowledged;
}

/** The head of the store, after checking that log and state hold exactly what leads to it. */
async function wholeHead(directory: string): Promise<number> {
  const storage = sqlite({ directory });
  const head = (await storage.open('s'))?.head ?? 0;
  expect(head % 3).toBe(0);
  const ops = await storage.read('s', 0, { ops: 100_000 });
  expect(ops.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
  let leaves = 0;
  for await (const chunk of storage.load('s')) leaves += chunk.entries.length;
  expect(leaves).toBe(head);
  await storage.close();
  return head;
}

describe('the SQLite driver among processes', () => {
  it('S112 a kill -9 amid appends loses no acknowledged batch, keeps no half, and frees the lock', async () => {
    const directory = await prepare('kill');
    let acknowledged = 0;
    for (let round = 1; round <= 5; round++) {
      // oxlint-disable-next-line no-await-in-loop -- each kill is followed by a restart
      acknowledged = await killOnceAt(directory, round * 60);
      // oxlint-disable-next-line no-await-in-loop -- each kill is followed by a restart
      expect(await wholeHead(directory)).toBeGreaterThanOrEqual(acknowledged);
    }
  });

  it('a second process that opens the directory is refused with what to do, and harms nothing', async () => {
    const directory = await prepare('second');
    const child = start([...node, directory, 's']);
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    await lines.next();
    expect(() => sqlite({ directory })).toThrow(
      expect.objectContaining({
        name: 'StorageError',
        reason: 'locked',
        message: expect.stringMatching(/second\/holdfast\.db is in use .* another data directory/),
      }),
    );
    const after = Number((await lines.next()).value);
    expect(Number((await lines.next()).value)).toBeGreaterThan(after);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await sqlite({ directory }).close();
  });

  it.skipIf(spawnSync('prlimit', ['--version']).status !== 0)(
    'a disk that takes no more fails the append with nothing stored, and writes go on when there is room',
    async () => {
      const directory = await prepare('full');
      const child = start(['prlimit', '--fsize=600000:', ...node, directory, 's', 'fill']);
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      const next = async (): Promise<string> => String((await lines.next()).value);
      expect(await next()).toMatch(/^failed: .*holdfast\.db could not be .* Check the disk/);
      expect(await next()).toBe('true');
      spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:']);
      child.stdin.write('go on\n');
      expect(await next()).toBe('stored');
      const head = Number(await next());
      expect(head).toBeGreaterThan(100);
      const storage = sqlite({ directory });
      expect((await storage.open('s'))?.head).toBe(head);
      await storage.close();
    },
  );
});
