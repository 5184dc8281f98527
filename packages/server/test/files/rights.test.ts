import type { Principal } from '@holdfast/server';
import { expect, test } from 'vitest';
import { everything } from '../conversation/world.ts';
import { asImport } from '../http/transfer.ts';
import { site, told } from './site.ts';

const narrower: Principal = { ...everything, scopes: new Set(['entries:read']) };

const fates: readonly (readonly [string, () => Promise<Principal | null>, number])[] = [
  ['is taken back', async () => null, 401],
  ['grants something else by then', async () => narrower, 503],
  ['cannot be checked', () => Promise.reject(new Error('no directory')), 503],
  ['is as it was', async () => everything, 201],
];

test.for(fates)(
  'S101 an upload is committed only while its token counts: one that %s',
  async ([, then, status]) => {
    let isLetIn = false;
    let isSent = false;
    const { call } = await site({
      authenticate: async () => {
        isLetIn = true;
        return isSent ? then() : everything;
      },
    });
    const { writable, readable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const answer = call('a', { method: 'PUT', body: readable });
    await writer.write(Buffer.from('half of it, '));
    await expect.poll(() => isLetIn).toBe(true);
    isSent = true;
    await writer.write(Buffer.from('and the rest'));
    await writer.close();
    expect((await told(await answer))[0]).toBe(status);
    isSent = false;
    expect((await call('a')).status).toBe(status === 201 ? 200 : 404);
  },
);

test.for(fates)(
  'S101 lines are imported only while the token counts by which they come: one that %s',
  async ([, then, status]) => {
    let looks = 0;
    const { call } = await site({
      authenticate: async () => {
        looks += 1;
        return looks === 2 ? then() : everything;
      },
    });
    const body = asImport({ path: 'a', value: 1 });
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await call('/api/stores/demo/main/import', { method: 'POST', headers, body });
    expect((await told(answer))[0]).toBe(status === 201 ? 200 : status);
    const there = await call('/api/stores/demo/main/entries/a');
    expect(there.status).toBe(status === 201 ? 200 : 404);
  },
);
