import dns from 'node:dns/promises';
import { createServer, type RequestListener } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { expect, onTestFinished, test, vi } from 'vitest';

import { receiver } from './receiver.ts';
import { Site } from './site.ts';

/** The address of a server on this machine that answers so. */
async function serving(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`;
}

test('S108 an answer without an end counts, and its connection is cut: nobody waits for the rest', async () => {
  const site = await Site.open();
  let cuts = 0;
  const url = await serving((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    };
    response.on('drain', more);
    response.on('close', () => {
      cuts += 1;
    });
    more();
  });
  const { id } = await site.hook(url);
  await site.put(['a', 1]);
  await expect.poll(() => site.deliveries(id)).toMatchObject([{ status_code: 200, error: null }]);
  await expect.poll(() => cuts).toBe(1);
});

test('S108 a name of which one address is private is refused, though the first may be reached', async () => {
  const lookup = vi.spyOn(dns, 'lookup');
  onTestFinished(() => {
    lookup.mockRestore();
    syncBuiltinESMExports();
  });
  const addresses = ['127.0.0.1', '10.0.0.1'].map((address) => ({ address, family: 4 }));
  lookup.mockResolvedValue(addresses as never);
  syncBuiltinESMExports();
  const there = await receiver();
  const site = await Site.open();
  const { id } = await site.hook(`http://both:${there.port}/`);
  await site.put(['a', 1]);
  await expect.poll(() => site.deliveries(id)).toHaveLength(1);
  const [attempt] = await site.deliveries(id);
  expect(attempt).toMatchObject({ status_code: null, error: 'the address is not a public one' });
  expect(there.received).toEqual([]);
});
