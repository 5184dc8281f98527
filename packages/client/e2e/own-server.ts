import { createServer, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import type { ServedPage } from '../../../tools/browser.ts';
import { issue } from '../test/token.ts';

/** A server in this process that keeps nothing, and the address at which a page begins with it. */
export async function ownServer({
  url: page,
}: ServedPage): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer({ storage: memory(), origins: ['*'] });
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const { rawToken: token } = await issue(server);
  return { server, address: `${page}#${new URLSearchParams({ url, token }).toString()}` };
}
