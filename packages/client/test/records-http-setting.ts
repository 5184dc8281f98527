import type { ClientOptions } from '@holdfast/client';
import { type RecordConflictError, records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { passthrough, record } from '@holdfast/protocol';
import { onTestFinished } from 'vitest';
import { platformEnv } from '../src/env.ts';
import { openWorld, type World } from './world.ts';

export type Item = { readonly n: number; readonly tags?: readonly string[]; readonly by?: string };

export const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<Item>(),
  mutations: {
    six: { apply: (item) => item && { ...item, n: 6 } },
    sign: { apply: (item) => item && { ...item, by: 'client' } },
  },
});

/** No socket is to be opened; those that are count. */
export class NoSocket {
  static opened = 0;
  readonly binaryType = '';
  readonly readyState = 0;

  constructor() {
    NoSocket.opened += 1;
    throw new Error('no sockets here');
  }

  send(): void {}
  close(): void {}
  addEventListener(): void {}
}

/** What becomes of a request: it goes through, it is answered here, or its answer is lost. */
type Fault = (init: RequestInit, send: () => Promise<Response>) => Promise<Response>;

export const lost: Fault = async (_, send) => {
  await send();
  throw new TypeError('fetch failed');
};
export const full: Fault = () =>
  Promise.resolve(Response.json({ error: 'overloaded', retry_after_ms: 1 }, { status: 503 }));
const cut: Fault = () => Promise.reject(new TypeError('fetch failed'));

/** A network whose faults are told beforehand, one for each write. */
export function network() {
  const posts: { readonly key: string | null }[] = [];
  const asked: string[] = [];
  const faults: Fault[] = [];
  let isDown = false;
  const fetchOf = (url: string, init: RequestInit): Promise<Response> => {
    const send = (): Promise<Response> => fetch(url, init);
    if (isDown) return cut(init, send);
    asked.push(url.slice(url.indexOf('/api')));
    if (!url.endsWith('/transact')) return send();
    posts.push({ key: new Headers(init.headers).get('idempotency-key') });
    return (faults.shift() ?? ((_, pass) => pass()))(init, send);
  };
  const env = { ...platformEnv, fetch: fetchOf, random: () => 0.02 };
  return {
    posts,
    asked,
    faults,
    env,
    down: (is: boolean) => {
      isDown = is;
    },
  };
}

export async function opened(...how: Parameters<typeof openWorld>) {
  const world = await openWorld(...how);
  onTestFinished(() => world[Symbol.asyncDispose]());
  const items = world.server.record(Item, {
    mutations: {
      sign: { apply: (item) => item && { ...(item as Item), by: 'server' } },
      six: { apply: (item) => item && { ...(item as Item), n: 6 } },
    },
  });
  await items.write({ id: '1' }, { set: { n: 5 } });
  return { ...world, items };
}

/** A client without a socket, and its record. */
export async function apart(world: World, options: Partial<ClientOptions> = {}) {
  NoSocket.opened = 0;
  const net = network();
  const conflicts: RecordConflictError[] = [];
  const client = world.client({
    webSocket: NoSocket,
    env: net.env,
    records: records([Item], {
      delivery: bySse(),
      onConflict: (conflict) => conflicts.push(conflict),
    }),
    ...options,
  });
  const item = client.record(Item, { id: '1' });
  item.retain();
  await item.ready();
  return { net, client, item, conflicts };
}
