import { queryObjects } from 'node:v8';
import { expect, test } from 'vitest';
import { Connection } from '../../src/socket/connection.ts';
import { TestClock } from '../../src/testing/test-clock.ts';
import { world } from '../conversation/world.ts';

test('nothing is kept of sockets that came and went between two sweeps', async () => {
  const { server, connect } = await world({ clock: new TestClock() });
  for (let round = 0; round < 3; round += 1) {
    const peers = await Promise.all(
      Array.from({ length: 30 }, (_, at) => connect({ device: `d${at}` })),
    );
    for (const peer of peers) peer.cut();
    while (server.describe().sockets > 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(queryObjects(Connection, { format: 'count' })).toBeLessThan(10);
});
