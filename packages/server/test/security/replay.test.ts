import { expect, test } from 'vitest';
import { principals } from '../conversation/principals.ts';
import { set, topic, world } from '../conversation/world.ts';

const known = { dev: { subject: 'dev' }, eve: { subject: 'eve' } };

test('replay: a frame that is sent again writes nothing again', async () => {
  const { joined } = await world();
  const peer = await joined();
  const frame = { op: 'increment', path: 'n', value: 1, client_op_id: 'd1:s:1' };
  const first = await peer.ask(topic, 'write', frame);
  for (let again = 0; again < 3; again += 1) {
    expect(await peer.ask(topic, 'write', frame)).toEqual(first);
  }
  const other = await joined({ device: 'd2' });
  expect(await other.ask(topic, 'status', {})).toMatchObject({ response: { current_seq: 1 } });
});

test('replay: an Idempotency-Key of somebody else gives nobody their answer', async () => {
  const { url } = await world({ authenticate: principals(known) });
  const put = (token: string, value: string) =>
    fetch(`${url}/api/stores/demo/main/entries/${token}`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': 'k1',
      },
      body: value,
    });
  expect(await (await put('dev', '1')).json()).toMatchObject({ store_seq: 1 });
  const theirs = await put('eve', '1');
  expect(theirs.headers.get('idempotent-replay')).toBeNull();
  expect(await theirs.json()).toMatchObject({ store_seq: 2 });
  const again = await put('dev', '1');
  expect(again.headers.get('idempotent-replay')).toBe('true');
  expect(await again.json()).toMatchObject({ store_seq: 1 });
});

test('replay: an op id of another device tells nothing of what that one wrote', async () => {
  const { joined } = await world();
  const one = await joined({ device: 'd1' });
  await one.ask(topic, 'write', set('a', 1, 'd1:s:1'));
  const two = await joined({ device: 'd2' });
  expect(await two.ask(topic, 'op_status', { client_op_id: 'd1:s:1' })).toMatchObject({
    response: { state: 'unknown' },
  });
});

test('replay: a token that was revoked opens nothing again, and what it opened is shut', async () => {
  const { server, connect, url } = await world();
  const { id, rawToken } = await server.tokens.issue({
    name: 't',
    org: 'demo',
    scopes: ['entries:read'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  const peer = await connect({ token: rawToken });
  await peer.join(topic);
  await server.tokens.revoke(id);
  expect(await peer.closed()).toBe(4001);
  await expect(connect({ token: rawToken })).rejects.toThrow('unauthorized');
  const headers = { authorization: `Bearer ${rawToken}` };
  expect((await fetch(`${url}/api/whoami`, { headers })).status).toBe(401);
});
