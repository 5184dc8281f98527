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
  const reader = new PassThrough();
  reader.destroy();
  await expect(render({ at, version: 2, url: '/', into: reader })).rejects.toMatchObject({
    code: expect.stringContaining('ERR_STREAM'),
  });
});
