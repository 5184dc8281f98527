import { expect, test } from 'vitest';
import { ask, file, opened, refs, withUpload } from './gallery.ts';
import { Rig } from './instance-rig.ts';

test('who comes back to a shared view is told of its files: those gone, and the rest', async () => {
  const rig = new Rig(withUpload({}, { scope: 'shared' }));
  const ann = await rig.open();
  await rig.join({ id: 2 });
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] }, 1);
  const [first = '', second = ''] = refs(rig);
  ann.leave(true);
  rig.step({ type: 'broken', ref: first, fault: null });
  await rig.join({ id: 1, resume: ann.version });
  expect(ann.last).toMatchObject({ base: 1, version: 1 });
  expect(ann.last?.tail.content.upload_ops).toMatchObject([
    { op: 'cancel', ref: first },
    { op: 'add', ref: second },
  ]);
});

test('who comes back to a shared view is told of files, too, whose end was told to a socket that was dead', async () => {
  const rig = new Rig(withUpload({}, { scope: 'shared' }));
  const ann = await rig.open();
  await rig.join({ id: 2 });
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] }, 1);
  const [first = '', second = ''] = refs(rig);
  rig.step({ type: 'broken', ref: first, fault: null });
  await rig.settle();
  ann.leave(true);
  await rig.join({ id: 1, resume: ann.version });
  expect(ann.last?.tail.content.upload_ops).toMatchObject([
    { op: 'cancel', ref: first },
    { op: 'add', ref: second },
  ]);
});

test('who comes back after too long finds its files in the envelope that has the whole tree', async () => {
  const { rig, client } = await opened({}, { limits: { log_count: 1 } });
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  const [ref = ''] = refs(rig);
  const { version } = client;
  client.leave(true);
  rig.step({ type: 'received', ref, progress: 10 });
  await rig.advance(200);
  rig.step({ type: 'received', ref, progress: 20 });
  await rig.advance(200);
  await rig.join({ id: 1, resume: version - 1 });
  expect(client.last).toMatchObject({ base: 0 });
  expect(client.last?.tail.content.upload_ops).toMatchObject([
    { op: 'config' },
    { op: 'add', ref, entry: { progress: 20 } },
  ]);
});

test('who comes back to its own instance and has missed nothing is sent nothing, not even its files', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  const known = client.heard.length;
  client.leave(true);
  await rig.join({ id: 1, resume: client.version });
  expect(client.heard).toHaveLength(known);
});

test('in a shared view the envelope that has the whole tree is for all: one’s files come right after it', async () => {
  const rig = new Rig(withUpload({}, { scope: 'shared' }));
  const ann = await rig.open();
  await ask(rig, 'allow_upload', { entries: [file('0')] }, 1);
  ann.leave(true);
  await rig.join({ id: 1, resume: -1 });
  const [whole, own] = ann.heard.slice(-2).map(({ base, version, tail }) => ({
    steps: [base, version],
    ops: tail.content.upload_ops.map(({ op }) => op),
  }));
  expect(whole).toEqual({ steps: [0, 1], ops: ['config'] });
  expect(own).toEqual({ steps: [1, 1], ops: ['add'] });
});
