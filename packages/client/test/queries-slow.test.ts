import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { issue } from './token.ts';

type Task = { readonly title: string; readonly done: boolean; readonly rank: number };

const Task = record({
  name: 'task',
  store: 'acme/app',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<Task>(),
});

const nearest = collection(Task, { where: { done: false }, orderBy: 'rank', limit: 4 });

/** A way to a server of which the half towards the client can be stopped: what the server sends fills what is between them. */
async function slowWay(to: string) {
  const downs: Socket[] = [];
  const all: Socket[] = [];
  const proxy = createTcpServer((near) => {
    const far = connect(Number(new URL(to).port), '127.0.0.1');
    near.pipe(far);
    far.pipe(near);
    downs.push(far);
    all.push(near, far);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined).on('close', () => other.destroy());
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}`,
    connections: () => downs.length,
    stop: () => {
      for (const far of downs) far.unpipe().pause();
    },
    go: () => {
      for (const [at, far] of downs.entries()) {
        const near = all[at * 2];
        if (near !== undefined) far.pipe(near);
      }
    },
    end: () => {
      for (const socket of all) socket.destroy();
      proxy.close();
    },
  };
}

test('R196 a socket that reads too slowly is told of the whole window again, and of the rows only those that it has not', async () => {
  const server = createServer({
    storage: memory(),
    rates: false,
    limits: { socket_soft_bytes: 64 * 1024 },
  });
  const tasks = server.record(Task);
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const { rawToken: token } = await issue(server);
  const way = await slowWay(url);
  const valve = new Valve();
  const client = createClient({
    url: way.url,
    token,
    link: valve,
    records: records([Task]),
  });
  onTestFinished(async () => {
    await client.close();
    way.end();
    await server.close({ retryAfterMs: 0 });
  });
  const write = (id: number, fields: Partial<Task>) =>
    tasks.write({ id: `t${id}` }, { patch: fields });
  for (let id = 0; id < 10; id++) {
    const value = { title: `T${id}`, done: false, rank: id };
    await tasks.write({ id: `t${id}` }, { set: value });
  }
  const handle = client.collection(nearest);
  onTestFinished(handle.retain());
  await handle.ready();
  const shown: string[] = [];
  const titles = (): string =>
    handle
      .get()
      .map(({ title }) => title.slice(0, 2))
      .join();
  handle.subscribe(() => shown.push(titles()));
  expect(titles()).toBe('T0,T1,T2,T3');

  way.stop();
  const before = valve.received.length;
  // More than what the machine keeps for a connection between the two.
  const long = 'x'.repeat(60_000);
  for (let n = 0; n < 250; n++) await write(0, { title: `T0${long}${n}` });
  await write(9, { rank: -1 });
  await write(1, { done: true });
  await write(2, { title: 'T2 changed' });
  expect(valve.received.slice(before).join('')).not.toContain('T2 changed');
  way.go();
  await expect.poll(titles, { timeout: 20_000 }).toBe('T9,T0,T2,T3');
  await expect.poll(() => handle.get()[2]?.title).toBe('T2 changed');

  const news = valve.received.slice(before).map((data) => JSON.parse(String(data)) as unknown[]);
  const deltas = news.flatMap(([, , , event, payload]) =>
    event === 'query_delta' ? [payload as { reset?: true; entries: [string][] }] : [],
  );
  const rows = deltas.flatMap(({ entries }) => entries.map(([path]) => path.split('/')[1]));
  expect(deltas.some(({ reset }) => reset)).toBe(true);
  expect([...new Set(rows)]).toEqual(['t9']);
  expect([way.connections(), valve.opened]).toEqual([1, 1]);
  // No row was rolled back, and none vanished, on the way.
  expect(new Set(shown)).toEqual(new Set(['T0,T1,T2,T3', 'T9,T0,T2,T3']));
  const fresh = createClient({ url, token, records: records([Task]) });
  onTestFinished(() => fresh.close());
  const again = fresh.collection(nearest);
  onTestFinished(again.retain());
  await again.ready();
  expect(handle.get()).toEqual(again.get());
});
