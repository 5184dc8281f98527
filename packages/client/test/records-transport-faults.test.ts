import { createClient, HoldfastError } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records, type RecordsOptions } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, NatsTransport } from '@holdfast/client/records/transport';
import { deferred } from '@holdfast/engine/registry';
import { passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<object>(),
});

const fault = new TypeError('not permitted');

/** A bus on which nobody may subscribe. */
const transport = new NatsTransport({
  connection: { publish: () => undefined, subscribe: () => Promise.reject(fault) },
  codec: { encode: () => new Uint8Array(), decode: () => null },
});

test.each<[string, NonNullable<RecordsOptions['delivery']>]>([
  ['a bus', byTransport({ transport })],
  ['a stream by HTTP', bySse()],
])(
  'given a subscription to %s that fails, then the client tells of an error of its own, with its cause',
  async (_, delivery) => {
    const { promise: told, resolve } = deferred<unknown>();
    const client = createClient({
      url: 'ws://nowhere.test',
      token: 'none',
      link: memoryLink(() => null),
      env: { fetch: () => Promise.reject(fault) },
      records: records([Item], { delivery }),
      onError: resolve,
    });
    onTestFinished(() => client.close());
    onTestFinished(client.record(Item, { id: '1' }).subscribe(() => undefined));
    const error = await told;
    expect(error).toBeInstanceOf(HoldfastError);
    expect(error).toMatchObject({ code: 'transport_failed', details: { cause: fault } });
    expect(String(error)).toContain('not permitted');
  },
);
