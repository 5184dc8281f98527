import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { hasPython, PythonClient, type Told } from './python.ts';
import { type Served, served } from './served.ts';

// Each test starts several interpreters.
vi.setConfig({ testTimeout: 60_000 });

const skipped = !hasPython && process.env['CI'] !== 'true';

test('Python is here, or this is not the machine that has to have it', ({ skip }) => {
  skip(skipped, 'python3 is missing: the client in examples/python is NOT tested here');
  expect(hasPython).toBe(true);
});

describe.skipIf(skipped)('a client in Python, written from docs/protocol.md alone,', () => {
  test('joins, writes, hears its own ops and those of others, and shows what they have', async () => {
    const at = await served();
    const ada = new PythonClient(at);
    await ada.until({ joined: 0, sync: 'tail', why: null });
    ada.say('set posts/1 {"title":"Grüße ✓","tags":["a"]}', 'increment posts/1/likes 2');
    await ada.until({ seq: 2, op: 'increment', value: 2, own: true });
    await ada.until({ committed: 2 });
    const bob = new PythonClient(at);
    await bob.until({ joined: 2, sync: 'snapshot', why: 'fresh' });
    await bob.until({ caught_up: 2 });
    bob.say('merge posts {"1":{"title":"Hi"},"a/b":{"c~":null}}', 'add posts/1/tags "b"');
    await ada.until({ seq: 5, op: 'add', value: ['b'], own: false });
    await bob.until({ committed: 5 });
    const posts = { '1': { tags: ['b'], title: 'Hi' }, 'a/b': { 'c~': null } };
    for (const client of [ada, bob]) expect(await client.get('posts')).toEqual(posts);
    bob.say('increment posts/1/title 1');
    await bob.until({ refused: 'type_mismatch' });
    bob.say('delete posts');
    await ada.until({ seq: 6, op: 'delete' });
    expect(await ada.get('posts')).toBe(null);
  });

  test('takes a snapshot of many chunks and text of many bytes', async () => {
    const at = await served();
    const ada = new PythonClient(at);
    const many = Object.fromEntries(Array.from({ length: 2500 }, (_, n) => [`k${n}`, n]));
    ada.say(`set many ${JSON.stringify(many)}`, `set text ${JSON.stringify('ä'.repeat(30_000))}`);
    await ada.until({ committed: 2 });
    const bob = new PythonClient(at);
    await bob.until({ caught_up: 2 });
    expect(await bob.get('many')).toEqual(many);
    expect(await bob.get('text')).toBe('ä'.repeat(30_000));
  });

  test('cut off again and again, it writes everything once and lacks nothing', async () => {
    const at = await served();
    const [ada, bob] = [new PythonClient(at), new PythonClient(at)];
    await bob.until({ caught_up: 0 });
    ada.say('set n 0');
    for (const client of [ada, bob]) await client.until({ seq: 1 });
    for (let round = 0; round < 5; round += 1) {
      ada.say('increment n 1', 'cut', 'increment n 1');
      bob.say('increment n 10');
      const joined = (await ada.until({ sync: 'tail' })).at(-1);
      expect(joined?.['why']).toBe(null);
    }
    const seqs = seqsIn(await bob.until({ seq: 16 }));
    expect(seqs).toEqual(Array.from({ length: 15 }, (_, index) => index + 2));
    await ada.until({ seq: 16 });
    for (const client of [ada, bob]) expect(await client.get('n')).toBe(60);
  });

  test('killed and started again it resumes by tail with what it kept', async () => {
    const at = await served();
    const state = join(folder(), 'replica.json');
    const before = new PythonClient(at, ['--state', state]);
    before.say('set a {"b":1}', 'set c 1');
    await before.until({ committed: 2 });
    await before.end();
    const bob = new PythonClient(at);
    bob.say('set a/b 2', 'set d 3');
    await bob.until({ committed: 4 });
    const after = new PythonClient(at, ['--state', state]);
    const lines = await after.until({ caught_up: 4 });
    expect(lines[0]).toEqual({ joined: 4, sync: 'tail', why: null });
    expect(seqsIn(lines)).toEqual([3, 4]);
    expect(await after.get('')).toEqual({ a: { b: 2 }, c: 1, d: 3 });
  });

  test('what was not answered when it was killed is sent again when it is back', async () => {
    const at = await served();
    const state = join(folder(), 'replica.json');
    const nowhere: Served = { ...at, url: 'http://127.0.0.1:1' };
    const offline = new PythonClient(nowhere, ['--state', state]);
    await offline.until({});
    offline.say('increment n 1', 'increment n 1', 'get n');
    await offline.until({ path: 'n' });
    await offline.end();
    const online = new PythonClient(at, ['--state', state]);
    await online.until({ committed: 2 });
    expect(await online.get('n')).toBe(2);
  });

  test('with a token that is not accepted it ends and says so', async () => {
    const at = await served();
    expect(await new PythonClient({ ...at, token: 'nobody' }).ended()).toContain('unauthorized');
    const store = 'acme/none';
    expect(await new PythonClient({ ...at, store }).ended()).toContain('unauthorized');
  });
});

function seqsIn(lines: readonly Told[]): readonly unknown[] {
  return lines.flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'holdfast-python-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}
