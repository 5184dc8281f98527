import { type Link, type LinkConnection, type LinkEvents, webSocketLink } from '@holdfast/client';
import { messagePack } from '@holdfast/client/codec/messagepack';
import { joinPresence } from '@holdfast/client/presence';
import { views } from '@holdfast/client/views';
import { app, view } from '@holdfast/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { openWorld } from './world.ts';

const desk = view({
  name: 'Desk',
  mount: () => ({ said: '' }),
  render: ({ said }) => ({ said }),
  commands: {
    say: {
      input: z.object({ at: z.unknown() }),
      run: (ctx, { at }) => ctx.update({ said: JSON.stringify(at) }),
    },
  },
});

const cyclic: { itself?: object } = {};
cyclic.itself = cyclic;
const throwing = {
  toJSON: () => {
    throw new Error('no JSON');
  },
};

test.each([
  ['JSON', {}],
  ['MessagePack', { codec: messagePack() }],
])(
  'C14 what cannot be sent as %s fails for who wanted that, and all else of the client goes on',
  async (_, codec) => {
    await using world = await openWorld(undefined, { app: app({ views: [desk] }) });
    const client = world.client({ views: views(), ...codec });
    const store = client.store('acme/app');
    const root = await client.view('Desk').ready;
    const [room, other] = [client, world.client()].map((each) =>
      joinPresence(each, { store: 'acme/app', topic: 'room' }),
    );
    if (room === undefined || other === undefined) throw new Error('two');
    room.set({ n: 0 });
    await store.ready;
    for (const each of [cyclic, throwing]) {
      await expect(root.$dispatch('say', { at: each })).rejects.toThrow();
      expect(() => room.set(each as never)).toThrow();
    }
    await expect(root.$dispatch('say', { at: 1n })).rejects.toThrow(TypeError);
    await store.put('a', 1).committed;
    room.set({ n: 1 });
    const peers = () => Array.from(other.peers.get().values(), ({ value }) => value['n']);
    await expect.poll(peers).toEqual([1]);
    // A date is its text, whatever the frames are made of.
    await root.$dispatch('say', { at: new Date(0) });
    await expect.poll(() => root['said']).toBe('"1970-01-01T00:00:00.000Z"');
    expect(world.errors).toEqual([]);
  },
);

/** A link that fails to send what says `fail`. */
class Failing implements Link {
  readonly #link = webSocketLink();

  open(url: string, events: LinkEvents): LinkConnection {
    const line = this.#link.open(url, events);
    return {
      send: (data) => {
        if (String(data).includes('fail')) throw new Error('not sent');
        line.send(data);
      },
      close: (code) => line.close(code),
    };
  }
}

test('C14 a link that throws is reported, and what comes after is sent', async () => {
  await using world = await openWorld();
  const store = await world.store({ link: new Failing() });
  store.put('a', 'fail');
  await store.put('b', 1).committed;
  expect(world.errors[0]).toMatchObject({ message: 'not sent' });
});
