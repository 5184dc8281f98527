import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { passthrough, record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { principals } from '../conversation/principals.ts';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { set, topic, type World, world } from '../conversation/world.ts';

/** Eve reads and writes a part; Bob everything. Both name their device themselves, and so she may name his. */
const known = {
  bob: {},
  eve: { pathRules: [{ pattern: 'open/**', allow: ['read', 'write'] as const }] },
  dropper: { pathRules: [{ pattern: 'kept/**', allow: ['write'] as const }] },
};

const device = 'phone';

const begin = (): Promise<World> => world({ authenticate: principals(known) });

test('S102 given a write that rules hide, when somebody asks by its device and id what became of it, then nothing is known', async () => {
  const { joined } = await begin();
  const bob = await joined({ token: 'bob', device });
  await bob.ask(topic, 'write', { op: 'lease', path: 'kept/l', client_op_id: 'phone:s:1' });
  const eve = await joined({ token: 'eve', device });
  expect(await eve.ask(topic, 'op_status', { client_op_id: 'phone:s:1' })).toEqual({
    status: 'ok',
    response: { state: 'unknown' },
  });
  expect(await bob.ask(topic, 'op_status', { client_op_id: 'phone:s:1' })).toMatchObject({
    response: { state: 'committed', token: 1 },
  });
});

/** Somebody's write that does not get to be stored until it is let go. */
async function held(
  write: object,
  by: 'bob' | 'eve',
  before: (here: World) => Promise<void> = async () => undefined,
): Promise<{ readonly here: World; readonly done: () => Promise<unknown> }> {
  const disk = new SlowDisk(memory());
  const here = await world({ authenticate: principals(known), storage: disk.storage });
  await before(here);
  const writer = await here.joined({ token: by, device });
  disk.hold();
  const ref = writer.push(topic, 'write', write);
  await disk.reached();
  const done = async (): Promise<unknown> => {
    disk.release();
    return (await writer.reply(ref)).status;
  };
  return { here, done };
}

test('S102 given a write that rules hide and that is under way, when somebody asks by its device and id what became of it, then that waits for nothing', async () => {
  const { here, done } = await held(set('kept/l', 1, 'phone:s:1'), 'bob');
  const eve = await here.joined({ token: 'eve', device });
  const told = await eve.ask(topic, 'op_status', { client_op_id: 'phone:s:1' });
  expect(told).toEqual({ status: 'ok', response: { state: 'unknown' } });
  expect(await done()).toBe('ok');
});

test('S69 given a write of one’s own, when somebody has another under way by its device and id, then what became of it is told at once', async () => {
  const own = { status: 'ok', response: { state: 'committed', store_seq: 1 } };
  const { here, done } = await held(set('open/l', 1, 'phone:s:1'), 'eve', async ({ joined }) => {
    const bob = await joined({ token: 'bob', device });
    await bob.ask(topic, 'write', set('kept/l', 2, 'phone:s:1'));
  });
  const bob = await here.joined({ token: 'bob', device });
  const told = await bob.ask(topic, 'op_status', { client_op_id: 'phone:s:1' });
  expect(told).toEqual(own);
  expect(await done()).toBe('ok');
});

test('S69 given a write under way, when who reads everything asks for it by a token that is another by now, then that waits for it', async () => {
  const { here, done } = await held(set('open/l', 1, 'phone:s:1'), 'eve');
  const bob = await here.joined({ token: 'bob', device });
  const ref = bob.push(topic, 'op_status', { client_op_id: 'phone:s:1' });
  // The answer shows that the server has read the question.
  await bob.ask('phoenix', 'heartbeat', {});
  expect(await done()).toBe('ok');
  expect(await bob.reply(ref)).toMatchObject({ response: { state: 'committed', store_seq: 1 } });
});

test.each(['eve', 'dropper'])(
  'S102 given a write that rules hide, when %s guesses its device, id and value, then a right guess is told as a wrong one',
  async (token) => {
    const { connect, joined } = await begin();
    const bob = await joined({ token: 'bob', device });
    await bob.ask(topic, 'write', set('kept/salary', 5000, 'phone:s:1'));
    const guesser = await connect({ token, device });
    await guesser.join(topic, { last_store_seq: 0, patterns: [] });
    const wrong = await guesser.ask(topic, 'write', set('kept/salary', 4000, 'phone:s:2'));
    const right = await guesser.ask(topic, 'write', set('kept/salary', 5000, 'phone:s:1'));
    expect([right.status, right.response['reason']]).toEqual([
      wrong.status,
      wrong.response['reason'],
    ]);
    expect(right.response['store_seq']).not.toBe(1);
    const both = { preconditions: [], ops: [{ op: 'set', path: 'open/x', value: 1 }] };
    const mixed = { ...both, preconditions: [{ path: 'kept/salary', equals: 5000 }] };
    await bob.ask(topic, 'transact', { ...mixed, client_op_id: 'phone:s:3' });
    expect(
      await guesser.ask(topic, 'transact', { ...mixed, client_op_id: 'phone:s:3' }),
    ).toMatchObject({ status: 'error', response: { reason: 'path_not_allowed' } });
  },
);

test('R228 given a write of a field that a record hides, when somebody guesses its device, id and value, then a right guess is told as a wrong one', async () => {
  const { server, joined } = await begin();
  server.record(
    record({
      name: 'person',
      path: 'people/:id',
      store: 'demo/main',
      version: '1.0',
      schema: passthrough<{ readonly name?: string; readonly salary?: number }>(),
      visibility: {
        name: () => true,
        '*': ({ principal: { subject } }) => subject === 'bob',
      },
    }),
  );
  const bob = await joined({ token: 'bob', device });
  await bob.ask(topic, 'write', set('people/1/salary', 5000, 'phone:s:1'));
  const carol = await joined({ token: 'eve', device });
  const right = await carol.ask(topic, 'write', set('people/1/salary', 5000, 'phone:s:1'));
  const wrong = await carol.ask(topic, 'write', set('people/1/salary', 4000, 'phone:s:1'));
  expect(right).toEqual(wrong);
});

test('P21 given ids that somebody has used up in the name of another device, when that device writes, then it is committed once', async () => {
  const { joined } = await begin();
  const eve = await joined({ token: 'eve', device });
  await eve.ask(topic, 'write', set('open/x', 'taken', 'phone:s:1'));
  const bob = await joined({ token: 'bob', device });
  const write = { op: 'increment', path: 'n', value: 1, client_op_id: 'phone:s:1' };
  const first = await bob.ask(topic, 'write', write);
  expect(first).toEqual({ status: 'ok', response: { store_seq: 2 } });
  // Neither that she writes under it once more ...
  await eve.ask(topic, 'write', set('open/x', 'again', 'phone:s:1'));
  // ... nor that he sends it again changes that.
  expect(await bob.ask(topic, 'write', write)).toEqual(first);
  expect(await bob.ask(topic, 'op_status', { client_op_id: 'phone:s:1' })).toEqual({
    status: 'ok',
    response: { state: 'committed', store_seq: 2 },
  });
  expect(await bob.ask(topic, 'write', { ...write, value: 2 })).toMatchObject({
    status: 'error',
    response: { reason: 'duplicate_op_id' },
  });
});

test('S62 given a device whose token has become another, when it sends a write again, then that happened once', async () => {
  const { joined } = await begin();
  const write = { op: 'increment', path: 'open/n', value: 1, client_op_id: 'phone:s:1' };
  const first = await (await joined({ token: 'bob', device })).ask(topic, 'write', write);
  for (const token of ['dev', 'eve']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const peer = await joined({ token, device });
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await peer.ask(topic, 'write', write)).toEqual(first);
  }
});

test('S102 given a write over HTTP that rules hide, when somebody repeats it by its device and key, then nothing tells that it was made', async () => {
  const { url } = await begin();
  const put = async (token: string, key: string): Promise<unknown> => {
    const answer = await fetch(`${url}/api/stores/demo/main/entries/kept/salary`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'holdfast-device': device,
        'idempotency-key': key,
      },
      body: '5000',
    });
    return [answer.status, answer.headers.get('idempotent-replay'), await answer.json()];
  };
  expect(await put('bob', 'k1')).toMatchObject([200, null, {}]);
  expect(await put('eve', 'k1')).toEqual(await put('eve', 'k2'));
});

test('S62 given somebody who may write and not read, when a write is sent again that the log has forgotten, then it happened once (P20)', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const storage = sqlite({ directory });
  const { connect, joined, storeId } = await world({ storage, authenticate: principals(known) });
  const dropper = await connect({ token: 'dropper', device });
  await dropper.join(topic, { last_store_seq: 0, patterns: [] });
  const write = { op: 'increment', path: 'kept/n', value: 1, client_op_id: 'phone:s:1' };
  const first = await dropper.ask(topic, 'write', write);
  expect(first).toEqual({ status: 'ok', response: { store_seq: 1 } });
  await storage.compact(storeId, 1, 10);
  expect(await dropper.ask(topic, 'write', write)).toEqual(first);
  expect(await dropper.ask(topic, 'op_status', { client_op_id: 'phone:s:1' })).toEqual({
    status: 'ok',
    response: { state: 'committed', store_seq: 1 },
  });
  expect(await dropper.ask(topic, 'write', { ...write, value: 2 })).toMatchObject({
    response: { reason: 'duplicate_op_id' },
  });
  const eve = await joined({ token: 'eve', device });
  expect(await eve.ask(topic, 'op_status', { client_op_id: 'phone:s:1' })).toMatchObject({
    response: { state: 'unknown' },
  });
});

test('S106 given a key that somebody else uses for the same device, when one is asked to roll back under it, then that is done, also at the same time', async () => {
  const { url, joined } = await begin();
  const dev = await joined({ device: 'dev' });
  await dev.ask(topic, 'write', set('open/x', 1, 'dev:s:1'));
  await dev.ask(topic, 'write', set('open/x', 2, 'dev:s:2'));
  const rollBack = async (token: string, key: string, seq: number): Promise<readonly unknown[]> => {
    const answer = await fetch(`${url}/api/stores/demo/main/rollback`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'holdfast-device': device,
        'idempotency-key': key,
      },
      body: JSON.stringify({ path: 'open/x', to_seq: seq }),
    });
    return [answer.status, answer.headers.get('idempotent-replay'), await answer.json()];
  };
  const first = await rollBack('bob', 'k1', 1);
  expect(first).toMatchObject([200, null, { store_seq: 3 }]);
  expect(await rollBack('dev', 'k1', 2)).toMatchObject([200, null, { store_seq: 4 }]);
  expect(await rollBack('bob', 'k1', 1)).toMatchObject([200, 'true', { store_seq: 3 }]);
  expect(await rollBack('bob', 'k1', 2)).toMatchObject([422, null, {}]);
  // What there is nothing to do about is kept for each by itself, too.
  expect(await rollBack('bob', 'k2', 2)).toMatchObject([200, null, { noop: true }]);
  expect(await rollBack('dev', 'k2', 1)).toMatchObject([200, null, { store_seq: 5 }]);
  const both = [rollBack('bob', 'k3', 2), rollBack('dev', 'k3', 2)];
  expect((await Promise.all(both)).map(([status]) => status)).toEqual([200, 200]);
});
