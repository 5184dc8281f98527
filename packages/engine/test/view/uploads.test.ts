import type { ViewContext } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { ask, file, kinds, noted, opened, opsOf, refs, withUpload } from './gallery.ts';
import { Rig } from './instance-rig.ts';

test('V47 of one good and one bad file the reply has both, and one add follows it', async () => {
  const { rig, client } = await opened();
  expect(opsOf(client)).toEqual([
    {
      op: 'config',
      upload: 'avatar',
      store_id: [],
      config: { accept: ['.png'], max_entries: 2, max_file_size: 1000, chunk_size: 64_000 },
    },
  ]);
  rig.effects.length = 0;
  const { response } = await ask(rig, 'allow_upload', { entries: [file('0'), file('1', 'a.exe')] });
  expect(response).toMatchObject({
    ref: 'avatar',
    entries: { 0: { type: 'channel', token: `token of ${refs(rig)[0]}` } },
    errors: [
      { client_ref: '1', error: { code: 'not_accepted', message: 'file type is not accepted' } },
    ],
  });
  const order = rig.effects
    .map(({ type }) => type)
    .filter((type) => type === 'reply' || type === 'send');
  expect(order).toEqual(['reply', 'send']);
  expect(client.last?.tail.content.upload_ops).toMatchObject([
    { op: 'add', entry: { client_name: '0.png', progress: 0, status: 'pending', errors: [] } },
  ]);
});

test('each file is refused for the first thing that is wrong with it, and counts only if it is let in', async () => {
  const { rig } = await opened();
  const entries = [
    { ...file('0'), name: null },
    file('1', 'big.png', 1001),
    file('2', 'a.txt'),
    file('3', 'A.PNG'),
    file('4'),
    file('5'),
    file('4', 'twin.png'),
  ];
  const { response } = await ask(rig, 'allow_upload', { entries });
  expect(
    (response['errors'] as { error: { code: string } }[]).map(({ error }) => error.code),
  ).toEqual([
    'preflight_rejected',
    'too_large',
    'not_accepted',
    'too_many_files',
    'preflight_rejected',
  ]);
  expect(Object.keys(response['entries'] as object)).toEqual(['3', '4']);
  const unknown = await ask(rig, 'allow_upload', { store_id: ['x'], entries: [] });
  expect(unknown.response).toEqual({ reason: 'unknown store' });
  const other = await ask(rig, 'allow_upload', { name: 'toString', entries: [] });
  expect(other.response).toEqual({ reason: 'unknown upload' });
});

test('V48 V56 progress is told at once, then every 100 ms at most, the last of it always; 100 is followed by complete', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  const [ref = ''] = refs(rig);
  for (let progress = 1; progress < 98; progress++) {
    rig.step({ type: 'received', ref, progress });
  }
  await rig.advance(150);
  for (const progress of [98, 99]) rig.step({ type: 'received', ref, progress });
  await rig.advance(200);
  const told = opsOf(client).flatMap((op) => (op.op === 'progress' ? [op.progress] : []));
  expect(told).toEqual([1, 97, 99]);
  rig.step({ type: 'received', ref, progress: 100 });
  await rig.advance(100);
  expect(kinds(client)).toEqual([
    'config',
    'add',
    ...Array<string>(4).fill('progress'),
    'complete',
  ]);
});

test('V53 upload ops render nothing', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  rig.step({ type: 'received', ref: refs(rig)[0] ?? '', progress: 50 });
  await rig.advance(100);
  expect(client.heard.length).toBeGreaterThan(2);
  expect(noted.renders).toBe(1);
});

test('V49 progress of a channel entry is not the client’s to tell', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  const [ref] = refs(rig);
  const reply = await ask(rig, 'upload_progress', { ref, progress: 50 });
  expect(reply).toMatchObject({ status: 'error', response: { reason: 'internal error' } });
  expect(kinds(client)).toEqual(['config', 'add']);
});

test('V50 V51 a transfer that breaks is an error, one that was left is cancelled, and both are discarded', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] });
  const [first = '', second = ''] = refs(rig);
  const fault = { code: 'chunk_too_large', message: 'chunk size exceeded the configured limit' };
  rig.step({ type: 'broken', ref: first, fault });
  rig.step({ type: 'broken', ref: second, fault: null });
  await rig.advance(100);
  expect(client.last?.tail.content.upload_ops).toEqual([
    { op: 'error', upload: 'avatar', store_id: [], ref: first, error: fault },
    { op: 'cancel', upload: 'avatar', store_id: [], ref: second },
  ]);
  expect(rig.of('discard').map(({ ref }) => ref)).toEqual([first, second]);
});

test('of transfers that fail again and again only as many are remembered as there may be files, the last ones', async () => {
  const { rig, client } = await opened();
  const fault = { code: 'chunk_too_large', message: 'chunk size exceeded the configured limit' };
  for (let round = 0; round < 50; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask(rig, 'allow_upload', { entries: [file('0', `${round}.png`)] });
    rig.step({ type: 'broken', ref: refs(rig).at(-1) ?? '', fault });
    // oxlint-disable-next-line no-await-in-loop -- as above
    await rig.advance(100);
  }
  const there = new Map<string, string>();
  for (const op of opsOf(client)) {
    if (op.op === 'add') there.set(op.ref, op.entry.client_name);
    if (op.op === 'cancel') there.delete(op.ref);
  }
  expect([...there.values()]).toEqual(['48.png', '49.png']);
  const other = await rig.join({ id: 1 });
  expect(other.last?.tail.content.upload_ops).toMatchObject([
    { op: 'config' },
    { op: 'add', entry: { client_name: '48.png', status: 'error', errors: [fault] } },
    { op: 'add', entry: { client_name: '49.png' } },
  ]);
});

test('V51 with the end of the instance nothing is left of its uploads', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  client.leave();
  expect(rig.of('discard').map(({ ref }) => ref)).toEqual(refs(rig));
});

test('V52 an external file is complete when it was verified, and an error when it was not', async () => {
  for (const isThere of [true, false]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { rig, client } = await opened({
      external: (_, entry) => ({ uploader: 's3', meta: { url: `https://a.test/${entry.name}` } }),
      verify: () => Promise.resolve(isThere),
    });
    // oxlint-disable-next-line no-await-in-loop -- as above
    const { response } = await ask(rig, 'allow_upload', { entries: [file('0')] });
    expect(response['entries']).toMatchObject({
      0: { type: 'external', uploader: 's3', meta: { url: 'https://a.test/0.png' } },
    });
    const [ref] = refs(rig);
    // oxlint-disable-next-line no-await-in-loop -- as above
    expect(await ask(rig, 'upload_progress', { ref, progress: 100 })).toMatchObject({
      response: {},
    });
    // oxlint-disable-next-line no-await-in-loop -- as above
    await rig.advance(100);
    expect(kinds(client).slice(2)).toEqual(isThere ? ['progress', 'complete'] : ['error']);
    // oxlint-disable-next-line no-await-in-loop -- as above
    await client.dispatch('consume');
    expect(noted.seen).toEqual(isThere ? ['0.png null', 'taken 0.png'] : ['taken ']);
  }
});

test('V52 what a client says of a failure becomes external_failed, whatever its code', async () => {
  const { rig, client } = await opened({ external: () => ({ uploader: 's3' }) });
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  await ask(rig, 'upload_error', { ref: refs(rig)[0], message: 'gone' });
  await rig.advance(100);
  expect(opsOf(client).at(-1)).toMatchObject({
    error: { code: 'external_failed', message: 'gone' },
  });
});

test('application code of external reads and changes nothing', async () => {
  const { rig } = await opened({
    external: (ctx) => {
      ctx.update({ x: 1 });
      return null;
    },
  });
  const { response } = await ask(rig, 'allow_upload', { entries: [file('0')] });
  expect(response['errors']).toMatchObject([{ error: { code: 'internal' } }]);
  expect(rig.of('fault')).toHaveLength(1);
});

test('V54 what is consumed is gone, by one reset when none is left; what is kept, or throws, stays', async () => {
  const { rig, client } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] });
  const [first = '', second = ''] = refs(rig);
  for (const ref of [first, second]) rig.step({ type: 'received', ref, progress: 100 });
  await rig.settle();
  expect(await client.dispatch('consume', { keep: 'throw' })).toMatchObject({ error: {} });
  expect(rig.of('discard')).toEqual([]);
  await client.dispatch('consume', { keep: '1.png' });
  await rig.advance(100);
  expect(opsOf(client).at(-1)).toMatchObject({ op: 'cancel', ref: first });
  expect(rig.of('discard').map(({ ref }) => ref)).toEqual([first]);
  await client.dispatch('consume', {});
  await rig.advance(100);
  expect(opsOf(client).at(-1)).toEqual({ op: 'reset', upload: 'avatar', store_id: [] });
  expect(noted.seen).toContain(`0.png {"ref":"${first}"}`);
  expect(noted.seen).toContain('taken 1.png');
});

test('hooks of an upload are tasks, with its owner as principal', async () => {
  const hooks: string[] = [];
  const note = (name: string) => (ctx: ViewContext) => {
    hooks.push(`${name} ${(ctx.principal as { subject: string }).subject}`);
  };
  const { rig } = await opened({
    onProgress: note('progress'),
    onComplete: note('complete'),
    onError: (ctx, _, error) => note(error.code)(ctx),
  });
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] });
  const [first = '', second = ''] = refs(rig);
  rig.step({ type: 'received', ref: first, progress: 10 });
  rig.step({ type: 'received', ref: first, progress: 100 });
  rig.step({ type: 'broken', ref: second, fault: { code: 'internal', message: 'x' } });
  await rig.settle();
  expect(hooks).toEqual(['progress ann', 'complete ann', 'internal ann']);
});

test('in a shared view files belong to who brought them: told privately, seen in their commands, limits of their own', async () => {
  noted.seen.length = 0;
  const rig = new Rig(withUpload({}, { scope: 'shared' }));
  const ann = await rig.open();
  const bob = await rig.join({ id: 2, principal: { subject: 'bob' } });
  await ask(rig, 'allow_upload', { entries: [file('0'), file('1')] }, 1);
  const { response } = await ask(rig, 'allow_upload', { entries: [file('2')] }, 2);
  expect(response['errors']).toEqual([]);
  expect([kinds(ann), kinds(bob)]).toEqual([
    ['config', 'add', 'add'],
    ['config', 'add'],
  ]);
  await bob.dispatch('list');
  expect(noted.seen).toEqual(['2.png']);
  const [first = ''] = refs(rig);
  const foreign = await ask(rig, 'cancel_upload', { ref: first }, 2);
  expect(foreign).toMatchObject({ status: 'ok' });
  expect(rig.of('discard')).toEqual([]);
});

test('the reply to a request of uploads names the version that has what it did (views.md §4.2)', async () => {
  const { rig, client } = await opened();
  const allowed = await ask(rig, 'allow_upload', { entries: [file('0')] });
  expect(allowed).toMatchObject({ version: 2 });
  expect(client.version).toBe(2);
  const [ref = ''] = refs(rig);
  await rig.advance(100);
  expect(await ask(rig, 'cancel_upload', { ref })).toMatchObject({ version: 3 });
  expect(client.version).toBe(3);
  expect(await ask(rig, 'cancel_upload', { ref })).toMatchObject({ version: 3 });
});

test('a token is given anew for an entry of one’s own', async () => {
  const { rig } = await opened();
  await ask(rig, 'allow_upload', { entries: [file('0')] });
  const [ref = ''] = refs(rig);
  expect(await ask(rig, 'refresh_upload', { ref })).toMatchObject({
    response: { token: `token of ${ref}` },
  });
  expect(await ask(rig, 'refresh_upload', { ref: 'u_x' })).toMatchObject({
    response: { reason: 'unknown upload' },
  });
});
