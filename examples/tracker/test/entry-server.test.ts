import { PassThrough } from 'node:stream';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { Issue } from '../src/issue/issue.ts';
import { render } from '../src/page/entry-server.tsx';
import { tracker } from '../src/server/tracker.ts';

test('a page whose reader has gone is given up, so that its client is closed', async () => {
  const server = createServer({ storage: memory(), app: tracker });
  onTestFinished(() => server.close());
  server.record(Issue);
  await server.stores.create('team/tracker');
  const at = server.inProcess({
    subject: 'Ada',
    orgs: ['team'],
    scopes: ['entries:read', 'entries:write'],
  });
  const sockets = { opened: 0, closed: 0 };
  const open: typeof at.link.open = (url, events) => {
    const socket = at.link.open(url, events);
    sockets.opened += 1;
    return {
      send: (data) => socket.send(data),
      close: (code) => {
        sockets.closed += 1;
        socket.close(code);
      },
    };
  };
  const reader = new PassThrough();
  reader.destroy();
  const own = { ...at, link: { ...at.link, open } };
  const page = { at: own, version: 2, url: '/', nonce: 'n', into: reader };
  await expect(render(page)).rejects.toMatchObject({
    code: expect.stringContaining('ERR_STREAM'),
  });
  expect(sockets).toEqual({ opened: 1, closed: 1 });
});
