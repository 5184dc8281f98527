import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { openWorld } from './world.ts';

const scopes = ['entries:read', 'entries:write', 'files:read', 'files:write'];

test.each([
  ['a small file', 5, { write_burst: 1 }, ['bytes 0-4/5']],
  [
    'a piece of a large file',
    600_000,
    { write_burst: 2 },
    ['bytes */600000', 'bytes 0-262143/600000', 'bytes 262144-599999/600000'],
  ],
])(
  '%s that is beyond the rate of writes is sent when its time has come, and nothing before it takes its turn',
  async (_, size, rates, ranges) => {
    const clock = new VirtualClock();
    await using world = await openWorld(undefined, {
      clock,
      rates: { writes_per_minute: 6, ...rates },
    });
    const { rawToken: token } = await world.issue(scopes);
    const asked: (string | null)[] = [];
    const listening = (url: string, init: RequestInit): Promise<Response> => {
      if (init.method === 'PUT') asked.push(new Headers(init.headers).get('content-range'));
      return fetch(url, init);
    };
    const store = await world.store({ token, env: { fetch: listening } });
    if (ranges.length === 1) await store.put('before', 1).committed;

    const sending = store.putFile('a', new Blob([new Uint8Array(size)]));
    await expect.poll(() => asked).toEqual(ranges);
    // Its answer is here when it waits for what the server has told: ten seconds for each write.
    await expect.poll(() => clock.pass(10_000).then(() => asked.length)).toBe(ranges.length + 1);
    expect(asked.at(-1)).toBe(ranges.at(-1));
    expect(await sending).toMatchObject({ size });
  },
);
