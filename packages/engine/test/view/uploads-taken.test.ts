import type { ViewDefinition } from '@holdfast/engine/view';
import type { UploadOp } from '@holdfast/protocol/views';
import { RejectedError } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Gate, Rig, type ViewClient } from './instance-rig.ts';

// What a task does to uploads is true with the task, or was never there (views.md §7.2).

let gate = new Gate();

const desk = (scope: 'connection' | 'shared'): ViewDefinition => ({
  name: 'desk',
  scope,
  uploads: { note: { accept: 'any', maxEntries: 3 } },
  mount: () => ({ isBad: false }),
  render: (state, h) => {
    if ((state as { isBad: boolean }).isBad) throw new Error('no');
    return { note: h.upload('note') };
  },
  commands: {
    take: {
      timeout: 1000,
      run: async (ctx, input) => {
        const { end, of } = input as { end?: string; of?: string };
        const names = await ctx.uploads
          .consume('note', (entry) => {
            if (entry.name === of) throw new Error('not this one');
            return end === 'slow' ? gate.opened.then(() => entry.name) : entry.name;
          })
          .catch((error: unknown) => {
            if (end !== 'caught') throw error;
          });
        const left = ctx.uploads.entries('note').map(({ name }) => name);
        if (end === 'refused' || end === 'slow') {
          throw new RejectedError('later', { names, left });
        }
        if (end === 'late') await gate.opened;
        if (end === 'unshown') ctx.update({ isBad: true });
      },
    },
    cancel: {
      run: (ctx, input) => {
        const { end } = input as { end?: string };
        for (const { ref } of ctx.uploads.entries('note')) ctx.uploads.cancel('note', ref);
        if (end === 'refused') throw new RejectedError('later', {});
      },
    },
    list: {
      reply: { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } },
      run: (ctx) => ({ names: ctx.uploads.entries('note').map(({ name }) => name) }),
    },
  },
});

async function withFiles(
  scope: 'connection' | 'shared' = 'connection',
): Promise<{ readonly rig: Rig; readonly client: ViewClient; readonly refs: readonly string[] }> {
  gate = new Gate();
  const rig = new Rig(desk(scope));
  const client = await rig.open();
  const entries = ['a', 'b'].map((name) => ({ client_ref: name, name, size: 1, type: '' }));
  const of = { subscriber: 1, store_id: [], name: 'note' };
  rig.step({ type: 'allow_upload', ticket: rig.ticket(() => undefined), ...of, entries });
  await rig.settle();
  const refs = rig.of('opened').map(({ target }) => target.ref);
  for (const ref of refs) rig.step({ type: 'received', ref, progress: 100 });
  await rig.advance(100);
  return { rig, client, refs };
}

const lastOps = (client: ViewClient): readonly UploadOp[] =>
  client.last?.tail.content.upload_ops ?? [];

test('what a command consumes is there again where the command says no, fails or is not shown', async () => {
  const { rig, client } = await withFiles();
  const heard = client.heard.length;
  expect(await client.dispatch('take', { end: 'refused' })).toEqual({
    error: { reason: 'later', data: { names: ['a', 'b'], left: [] } },
  });
  await client.dispatch('take', { of: 'b' });
  await client.dispatch('take', { end: 'unshown' });
  await client.dispatch('cancel', { end: 'refused' });
  const late = client.send('take', { end: 'late' });
  await rig.advance(1000);
  expect(await late).toMatchObject({ response: { reason: 'timeout' } });
  gate.open();
  await rig.advance(100);
  expect(rig.of('discard')).toEqual([]);
  expect(client.heard).toHaveLength(heard);
  expect(await client.dispatch('list')).toEqual({ names: ['a', 'b'] });
});

test('what a command visits when its time is over is there again at once, though the visitor never comes back', async () => {
  const { rig, client } = await withFiles();
  const [first, late] = [gate, client.send('take', { end: 'slow' })];
  await rig.advance(1000);
  expect(await late).toMatchObject({ response: { reason: 'timeout' } });
  expect(await client.dispatch('list')).toEqual({ names: ['a', 'b'] });
  // By the time that it does come back, another has them.
  gate = new Gate();
  const again = client.send('take', { end: 'slow' });
  await rig.settle();
  first.open();
  await rig.settle();
  gate.open();
  const data = { names: ['a', 'b'], left: [] };
  expect(await again).toMatchObject({ response: { reason: 'later', data } });
});

test('what is cancelled while a command visits what comes before it is not visited', async () => {
  const { rig, client, refs } = await withFiles('shared');
  const sent = client.send('take', { end: 'slow' });
  await rig.settle();
  const of = { subscriber: 1, store_id: [], name: 'note', ref: refs[1] };
  rig.step({ type: 'cancel_upload', ticket: rig.ticket(() => undefined), ...of } as never);
  await rig.settle();
  gate.open();
  await rig.settle();
  const data = { names: ['a'], left: [] };
  expect(await sent).toMatchObject({ response: { reason: 'later', data } });
});

test('what a command consumes before it catches a failure is gone with the command', async () => {
  const { rig, client, refs } = await withFiles();
  await client.dispatch('take', { end: 'caught', of: 'b' });
  expect(lastOps(client)).toMatchObject([{ op: 'cancel', ref: refs[0] }]);
  expect(rig.of('discard')).toMatchObject([{ ref: refs[0] }]);
  expect(await client.dispatch('list')).toEqual({ names: ['b'] });
});

test('what a command consumes is told after its reply, by the version of the reply', async () => {
  for (const scope of ['connection', 'shared'] as const) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { rig, client } = await withFiles(scope);
    const before = rig.effects.length;
    const sent = client.send('take', {});
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await rig.settle();
    const told = rig.effects.slice(before).map(({ type }) => type);
    expect(told.filter((type) => type === 'reply' || type === 'send')).toEqual(['reply', 'send']);
    expect(lastOps(client)).toEqual([{ op: 'reset', upload: 'note', store_id: [] }]);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await sent).version).toBe(client.version);
  }
});
