import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { Allowed, isPublic } from '../../src/webhooks/address.ts';
import { receiver } from './receiver.ts';
import { Site } from './site.ts';

const internal = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.9',
  '224.0.0.1',
  '239.1.1.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:a00:1',
  '0:0:0:0:0:ffff:c0a8:0101',
  '64:ff9b::10.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::1',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  'fc00::1',
  'fd00:ec2::254',
  'fec0::1',
  'ff02::1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  '5f00::1',
  '4000::1',
  '',
  'localhost',
  '127.1',
  '0x7f000001',
  '1.2.3.4.5',
  'example.org',
];
const open = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '128.0.0.1',
  '169.253.0.1',
  '172.15.0.1',
  '172.32.0.1',
  '192.167.0.1',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '2a00:1450:4001::200e',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
];

test('S108 addresses of machines, networks, clouds and documents are not public, however they are written', () => {
  expect(internal.filter(isPublic)).toEqual([]);
  expect(open.filter((address) => !isPublic(address))).toEqual([]);
});

test('S108 an IPv4 address inside an IPv6 address is judged as itself', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
      const plain = bytes.join('.');
      for (const prefix of ['::ffff:', '64:ff9b::']) {
        expect(isPublic(`${prefix}${plain}`)).toBe(isPublic(plain));
      }
    }),
  );
});

test('what an operator allows is permitted: names, addresses, ranges, and nothing beside them', () => {
  const allowed = new Allowed(['Hooks.internal', '10.1.0.0/16', '192.168.7.7', 'fd00::/8']);
  const permits = (host: string, address: string): boolean => allowed.permits(host, address);
  expect(permits('hooks.internal', '172.16.3.3')).toBe(true);
  expect(permits('other.internal', '172.16.3.3')).toBe(false);
  expect(permits('x', '10.1.255.255')).toBe(true);
  expect(permits('x', '::ffff:10.1.2.3')).toBe(true);
  expect(permits('x', '10.2.0.0')).toBe(false);
  expect(permits('x', '192.168.7.7')).toBe(true);
  expect(permits('x', '192.168.7.8')).toBe(false);
  expect(permits('x', 'fd12::1')).toBe(true);
  expect(permits('x', 'fe80::1')).toBe(false);
  expect(permits('x', '8.8.8.8')).toBe(true);
  for (const wrong of ['10.0.0.0/33', 'a/8', '10.0.0.0/8/8', '10.0.0.0/x', 'a b', '']) {
    expect(() => new Allowed([wrong]), wrong).toThrow(TypeError);
  }
});

test('S108 a name that resolves to a private address is refused, and nothing is sent to it', async () => {
  const there = await receiver();
  const site = await Site.open({ webhooks: { http: true } });
  const { id } = await site.hook(`http://localhost:${there.port}/`);
  await site.put(['a', 1]);
  await expect.poll(() => site.deliveries(id)).toHaveLength(1);
  const [attempt] = await site.deliveries(id);
  expect(attempt).toMatchObject({ status_code: null, error: 'the address is not a public one' });
  const ping = await site.ask('POST', `webhooks/${id}/ping`);
  expect([ping.status, ping.json['error']]).toEqual([502, 'the address is not a public one']);
  expect(there.received).toEqual([]);
});

test('S108 redirects are not followed', async () => {
  const site = await Site.open();
  const [there, behind] = [await receiver(), await receiver()];
  there.react({ status: 307, location: behind.url });
  const { id } = await site.hook(there.url);
  await site.put(['a', 1]);
  await expect.poll(() => site.deliveries(id)).toHaveLength(1);
  const error = 'the answer was 307; redirects are not followed';
  expect((await site.deliveries(id))[0]).toMatchObject({ status_code: 307, error });
  expect(behind.received).toEqual([]);
});

test('S108 a URL that is not public, not https, or carries a password is refused when it is given', async () => {
  const site = await Site.open({ webhooks: {} });
  const urls = [
    'http://example.org/',
    'ftp://example.org/',
    'example.org',
    '',
    'https://u:p@example.org/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://169.254.169.254/latest/meta-data/',
    `https://example.org/${'x'.repeat(3000)}`,
  ];
  for (const url of urls) {
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const { status, json } = await site.ask('POST', 'webhooks', { url });
    expect([url, status, json['field']]).toEqual([url, 422, 'url']);
  }
  expect((await site.ask('POST', 'webhooks', { url: 'https://example.org/' })).status).toBe(201);
});

const loopbacks = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
const hasIpv6 = loopbacks.some(({ address }) => address === '::1');

test.skipIf(!hasIpv6)('an IPv6 receiver is reached at its literal address', async () => {
  const site = await Site.open({ webhooks: { allow: ['::1'], http: true } });
  const there = await receiver('::1');
  await site.hook(there.url);
  await site.put(['a', 1]);
  await there.heard(1);
});

test('what cannot be allowed is an error of whoever starts the server', async () => {
  await expect(Site.open({ webhooks: { allow: ['10.0.0.0/99'] } })).rejects.toThrow(
    'webhooks.allow',
  );
});
