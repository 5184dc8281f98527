import { records } from '@holdfast/client/records';
import { record } from '@holdfast/protocol';
import { badWeather, failureText, simulate } from '@holdfast/simulation';
import { expect, test } from 'vitest';
import { z } from 'zod';

const Poll = record({
  name: 'poll',
  store: 'acme/app',
  path: 'polls/:id',
  version: '1.0',
  schema: z.object({ votes: z.number() }),
  mutations: {
    vote: { input: z.null(), apply: (poll) => ({ votes: (poll?.votes ?? 0) + 1 }) },
  },
});

test('the example of the guide, with a record and its rule, holds under bad weather, and the rule is asked', async () => {
  let votes = 0;
  const refused = new Set<unknown>();
  const failure = await simulate(
    {
      faults: badWeather,
      server: { limits: { max_value_bytes: 16_384 } },
      prepare: (server) => {
        server.record(Poll, { write: (_ctx, _ref, intent) => intent.op === 'mutate' });
      },
      async program(world) {
        votes = 0;
        for (const name of ['phone', 'desk']) {
          const client = world.client(name, { records: records([Poll]) });
          const poll = client.record(Poll, { id: '1' });
          for (let round = 0; round < 10; round++) {
            poll.mutate('vote', null);
            votes += 1;
            await world.sleep(1000);
          }
          const deleted = client.store('acme/app').delete('polls/1').committed;
          await deleted.catch((error: unknown) => refused.add(Object(error).code));
        }
      },
      check(world) {
        for (const device of world.devices) {
          const seen = device.client.store('acme/app').get('polls/1/votes');
          if (seen !== votes) throw new Error(`${device.name} sees ${JSON.stringify(seen)}`);
        }
      },
    },
    { from: 1, count: 20 },
  );
  expect(failure === null ? null : failureText(failure)).toBeNull();
  expect([...refused]).toEqual(['path_not_allowed']);
}, 240_000);
