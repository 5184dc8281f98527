import { passthrough, record } from '@holdfast/protocol';
import type { RecordFault, SseOptions } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { world } from '../conversation/world.ts';
import { gateway, transact } from './site.ts';
import { eventsOf, post } from './sse-reader.ts';

const Plain = record({
  name: 'plain',
  store: 'demo/main',
  path: 'plains/:id',
  version: '3.0',
  schema: passthrough<{ readonly n: number }>(),
  migrateDown: { 3: (newer) => ({ ...newer, old: true }) },
});
const plain = (id: string): string => `rec/demo/main/plains/${id}`;

async function plainSite(options: SseOptions = { authorize: 'public' }) {
  const { server, joined } = await world();
  const plains = server.record(Plain);
  for (const id of ['a', 'b']) await plains.write({ id }, { set: { n: 1 } });
  const handler = server.syncHandler(options);
  const open = async (path: string, init: RequestInit = {}) => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const request = new Request(`http://x/api/records${path}`, { ...init, signal: abort.signal });
    const response = await (init.method === 'POST' ? handler.POST : handler.GET)(request, {
      principal: { subject: 'eve' },
      now: 0,
    });
    return { response, events: eventsOf(response), abort };
  };
  return { plains, open, peer: await joined() };
}

test('R249 of a commit that changes two objects the id comes with the last: who is cut off between them misses none', async () => {
  const { open, peer } = await plainSite();
  const keys = `?key=${plain('a')}&key=${plain('b')}`;
  const one = await open(keys);
  await one.events();
  await one.events();
  const { id: ready } = await one.events();
  const fields = ['a/n', 'b/n', 'a/m'];
  const ops = fields.map((field) => ({ op: 'set', path: `plains/${field}`, value: 2 }));
  await transact(peer, ops);
  const first = await one.events();
  expect(first).toMatchObject({ event: 'sync', data: { key: plain('a') } });
  const last = await one.events();
  expect(last).toMatchObject({ event: 'sync', data: { key: plain('b') } });
  const comeBack = async (id: string) => {
    const { events } = await open(keys, { headers: { 'last-event-id': id } });
    const answers = [await events(), await events()];
    return answers.map(({ data }) => (data as { readonly type: string }).type);
  };
  expect(await comeBack(first.id ?? ready ?? '')).toContain('snapshot');
  expect(await comeBack(last.id ?? '')).toEqual(['current', 'current']);
});

test('R249 what was committed while answers were read is behind no id that was told before it left', async () => {
  const [reached, released] = [gateway(), gateway()];
  const { open, plains } = await plainSite({
    authorize: 'public',
    project: async (_, key, envelope) => {
      // The second key is read after the first has changed.
      if (key !== plain('b')) return envelope;
      reached.resolve();
      await released.promise;
      return envelope;
    },
  });
  const keys = `?key=${plain('a')}&key=${plain('b')}&key=${plain('c')}`;
  const opening = open(keys);
  await reached.promise;
  await plains.write({ id: 'a' }, { set: { n: 2 } });
  await plains.write({ id: 'c' }, { set: { n: 2 } });
  released.resolve();
  const { events } = await opening;
  let told = '';
  const seen: string[] = [];
  while (!seen.includes('sync')) {
    const { event, id } = await events();
    seen.push(event);
    if (event !== 'sync') told = id ?? told;
  }
  expect([seen, told]).toEqual([['answer', 'answer', 'answer', 'ready', 'sync'], '']);
});

test('R79 who is of another major has what there is as one of theirs, where there is a way down', async () => {
  const { open } = await plainSite();
  const answersTo = async (version: string) => {
    const asked = post([{ key: plain('a'), client_version: version }]);
    const { response } = await open('/handshake', asked);
    return ((await response.json()) as { answers: readonly object[] }).answers;
  };
  const skew = { key: plain('a'), type: 'skew', server_version: '3.0' };
  expect(await answersTo('2.5')).toMatchObject([
    { ...skew, envelope: { value: { n: 1, old: true }, schema_version: '2.5', sequence: 2 } },
  ]);
  for (const version of ['1.0', '4.0']) {
    const [answer] = await answersTo(version);
    expect(answer).toEqual(skew);
  }
});

test('a handshake is of 500 keys at most, whatever a stream may have', async () => {
  const { open } = await plainSite({ authorize: 'public', maxKeys: 2 });
  const statusOf = async (path: string, count: number): Promise<number> => {
    const asked = Array.from({ length: count }, (_, at) => ({ key: plain(String(at)) }));
    return (await open(path, post(asked))).response.status;
  };
  expect([await statusOf('/handshake', 500), await statusOf('/handshake', 501)]).toEqual([
    200, 400,
  ]);
  expect([await statusOf('/stream', 2), await statusOf('/stream', 3)]).toEqual([200, 400]);
});

const Hasty = record({
  name: 'hasty',
  store: 'demo/main',
  path: 'hasties/:id',
  version: '1.0',
  schema: z.object({ n: z.number(), secret: z.string() }),
  visibility: { '*': () => true, secret: () => false },
});

test('what may be seen no more, though it may not be missing, leaves who has it; before that nothing that fails the schema does', async () => {
  const Mixed = record({
    name: 'mixed',
    store: 'demo/main',
    path: 'mixed/:id',
    version: '1.0',
    schema: z.object({ open: z.boolean(), n: z.number().optional(), secret: z.string() }),
    visibility: { '*': () => true, secret: ({ value }) => value.open === true },
  });
  const faults: RecordFault[] = [];
  const { server } = await world({ onError: (fault) => faults.push(fault) });
  const mixed = server.record(Mixed);
  const key = 'rec/demo/main/mixed/1';
  await mixed.write({ id: '1' }, { set: { open: true, secret: 'x' } });
  const handler = server.syncHandler({ authorize: 'public' });
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const request = new Request(`http://x/api/records?key=${key}`, { signal: abort.signal });
  const events = eventsOf(await handler.GET(request, { principal: { subject: 'eve' }, now: 0 }));
  const value = { open: true, secret: 'x' };
  expect(await events()).toMatchObject({ event: 'answer', data: { envelope: { value } } });
  expect(await events()).toMatchObject({ event: 'ready' });
  await mixed.write({ id: '1' }, { patch: { open: false } });
  expect(await events()).toMatchObject({ event: 'sync', data: { envelope: { deleted: true } } });
  await mixed.write({ id: '1' }, { patch: { n: 1 } });
  await mixed.write({ id: '1' }, { patch: { open: true } });
  expect(await events()).toMatchObject({
    event: 'answer',
    data: { type: 'snapshot', reset: true, envelope: { value: { ...value, n: 1 } } },
  });
  expect(faults.map(({ phase, record: name }) => [phase, name])).toEqual([
    ['outbound', 'mixed'],
    ['outbound', 'mixed'],
  ]);
});

test('what is hidden though it may not be missing is told of, and shown to nobody', async () => {
  const faults: RecordFault[] = [];
  const { server } = await world({ onError: (fault) => faults.push(fault) });
  const hasties = server.record(Hasty);
  await hasties.write({ id: '1' }, { set: { n: 1, secret: 'x' } });
  const handler = server.syncHandler({ authorize: 'public' });
  const request = new Request(
    'http://x/api/records/handshake',
    post([{ key: 'rec/demo/main/hasties/1' }]),
  );
  const response = await handler.POST(request, { principal: { subject: 'eve' }, now: 0 });
  const body = (await response.json()) as { answers: object[] };
  expect(body).toMatchObject({ answers: [{ type: 'gone' }] });
  expect(JSON.stringify(body)).not.toContain('secret');
  expect(faults).toMatchObject([{ phase: 'outbound', record: 'hasty', store: 'demo/main' }]);
});
