import { type Client, createClient } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { SseTransport } from '@holdfast/client/link/sse';
import { records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import type { Envelope } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';
import { Item } from './item.ts';
import { openWorld } from './world.ts';

const key = Item.key({ id: '1' });

/** A server of which the test says what it streams, and to whom. */
class Streams {
  readonly asked: (string | null)[] = [];
  readonly #open: ReadableStreamDefaultController<Uint8Array>[] = [];

  readonly fetch = async (_url: string, init: RequestInit): Promise<Response> => {
    this.asked.push(new Headers(init.headers).get('authorization'));
    const body = new ReadableStream<Uint8Array>({ start: (each) => void this.#open.push(each) });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };

  say(event: string, data: object): void {
    const text = `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#open.at(-1)?.enqueue(new TextEncoder().encode(text));
  }
}

function closing(client: Client): Client {
  onTestFinished(() => client.close());
  return client;
}

test('R238 what a stream denies all at once is asked for once more: another token may be shown by then', async () => {
  const streams = new Streams();
  let token = 'first';
  const transport = new SseTransport({
    url: 'http://nowhere.test',
    token: () => token,
    fetch: streams.fetch,
  });
  const client = closing(
    createClient({
      url: 'ws://nowhere.test',
      token: 'none',
      link: memoryLink(() => null),
      records: records([Item], { delivery: byTransport({ transport }) }),
    }),
  );
  const item = client.record(Item, { id: '1' });
  const release = item.retain();
  const envelope = { value: { n: 1 }, schema_version: '1.0', sequence: 1, incarnation: 'e1' };
  const answer = { key, type: 'snapshot', envelope };
  await expect.poll(() => streams.asked).toEqual(['Bearer first']);
  streams.say('answer', answer);
  streams.say('ready', {});
  await item.ready();
  token = 'second';
  streams.say('answer', { key, type: 'denied', reason: 'denied' });
  await expect.poll(() => item.state.get().status).toBe('denied');
  await expect.poll(() => streams.asked).toEqual(['Bearer first', 'Bearer second']);
  streams.say('answer', answer);
  streams.say('ready', {});
  await expect.poll(() => item.state.get()).toMatchObject({ status: 'ok', value: { n: 1 } });
  release();
});

test.for(['http', 'socket'] as const)(
  'R77 an own write of a store that is no more is shown no more (written by %s)',
  async (writes) => {
    const world = await openWorld();
    onTestFinished(() => world[Symbol.asyncDispose]());
    const items = world.server.record(Item);
    let found: Envelope = await items.write({ id: '1' }, { set: { n: 5 } });
    const transport = new InProcessTransport();
    const delivery = byTransport({ transport, writes, refetch: async () => found });
    const client = world.client({ records: records([Item], { delivery }) });
    const item = client.record(Item, { id: '1' });
    const release = item.retain();
    await item.ready();
    // No envelope of it comes.
    await item.set({ n: 6 }).committed;
    expect(item.get()).toEqual({ n: 6 });
    found = { value: { n: 1 }, schema_version: '1.0', sequence: 1, incarnation: 'another' };
    transport.publish(key, found);
    await expect.poll(() => item.get()).toEqual({ n: 1 });
    release();
  },
);
