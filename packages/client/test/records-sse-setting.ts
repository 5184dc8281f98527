import { SseTransport, type SseTransportOptions } from '@holdfast/client/link/sse';
import type { TransportProblem } from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { type Principal, scopes } from '@holdfast/server';
import { onTestFinished } from 'vitest';
import { openWorld } from './world.ts';

export const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number; readonly big?: bigint }>(),
});

type Asked = { readonly key: string; readonly sequence?: number };

export const key = (id: string): string => Item.key({ id });

export const someone = (pathRules: Principal['pathRules'] = null): Principal => ({
  subject: 'ann',
  orgs: ['acme'],
  scopes: new Set(scopes),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
  pathRules,
});

/** A server, and a transport that reads from it; all ends with the test. */
export async function site(
  options: Partial<SseTransportOptions> = {},
  authenticate?: Parameters<typeof openWorld>[0],
) {
  const world = await openWorld(authenticate);
  const items = world.server.record(Item);
  const problems: TransportProblem[] = [];
  let line = new AbortController();
  const posts: { readonly path: string; readonly requests: readonly Asked[] }[] = [];
  const transport = new SseTransport({
    url: world.url,
    token: world.token,
    onError: (problem) => problems.push(problem),
    fetch: (url, init) => {
      const { requests } = JSON.parse(init.body) as { requests: Asked[] };
      posts.push({ path: url.slice(url.lastIndexOf('/')), requests });
      return fetch(url, { ...init, signal: AbortSignal.any([init.signal, line.signal]) });
    },
    ...options,
  });
  const write = (id: string, n: number): Promise<Envelope> => items.write({ id }, { set: { n } });
  /** Every connection is lost. */
  const cut = (): void => {
    line.abort(new Error('cut'));
    line = new AbortController();
  };
  const end = async (): Promise<void> => {
    await transport.close();
    await world[Symbol.asyncDispose]();
  };
  return { world, items, problems, posts, transport, write, cut, end };
}

type Site = Awaited<ReturnType<typeof site>>;

export const opened = async (...args: Parameters<typeof site>): Promise<Site> => {
  const here = await site(...args);
  onTestFinished(here.end);
  return here;
};

/** What comes of a key, as numbers. */
export async function heard({ transport }: Pick<Site, 'transport'>, id: string): Promise<number[]> {
  const seen: number[] = [];
  await transport.subscribe(key(id), (message) => {
    seen.push(((message as Envelope).value as { n: number }).n);
  }).ready;
  return seen;
}
