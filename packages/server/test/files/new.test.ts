import { expect, test } from 'vitest';

import { site, told } from './site.ts';

test('a file where nothing was is new, also after a commit that took away much', async () => {
  const { call } = await site();
  const entries = '/api/stores/demo/main/entries/map';
  const map = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`leaf${at}`, at]));
  const headers = { 'content-type': 'application/json' };
  await call(entries, { method: 'PUT', headers, body: JSON.stringify(map) });
  expect((await call(entries, { method: 'DELETE' })).status).toBe(200);
  expect((await told(await call('a', { method: 'PUT', body: 'text' })))[0]).toBe(201);
  expect((await told(await call('a', { method: 'PUT', body: 'text' })))[0]).toBe(200);
});
