import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createClient } from '@holdfast/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, type Ran, type Running, start, temporaryDirectory } from './harness.ts';

const leaves = 100_000;
const batch = 10_000;

let server: Running;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

/** Stands between the command and the server and counts what passes, both ways. */
class Meter {
  bytes = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect({ port, host: '127.0.0.1' });
      this.#count(near, far);
      this.#count(far, near);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #count(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (piece: Buffer) => {
      this.bytes += piece.length;
      to.write(piece);
    });
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  }
}

let meter: Meter;
let url: string;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await start('dev', ['--data', directory.path]);
  const client = createClient({ url: server.url, token: 'dev' });
  const store = client.store('demo/main', { scope: [] });
  for (let at = 0; at < leaves; at += batch) {
    const many = Object.fromEntries(Array.from({ length: batch }, (_, n) => [`k${n}`, n]));
    await store.put(`big/${at}`, many).committed;
  }
  await client.close();
  meter = new Meter(Number(new URL(server.url).port));
  url = await meter.listen();
});

afterAll(async () => {
  meter.close();
  await server.stop();
  await directory.remove();
});

async function measured(...args: string[]): Promise<{ ran: Ran; bytes: number }> {
  const before = meter.bytes;
  const ran = await cli([...args, '--url', url]);
  return { ran, bytes: meter.bytes - before };
}

const kilobytes = 10_000;

test(
  'S114 a one-shot write to a store of 100 000 leaves transfers less than 10 KB (P36)',
  { timeout: 120_000 },
  async () => {
    const status = await cli(['status', 'demo/main', '--url', server.url]);
    expect(status.rows).toMatchObject([{ entry_count: leaves }]);
    for (const args of [
      ['put', 'demo/main', 'x', '{"a":1}'],
      ['merge', 'demo/main', 'x', '{"b":2}'],
      ['increment', 'demo/main', 'n', '5'],
      ['add', 'demo/main', 'tags', '"a"'],
      ['remove', 'demo/main', 'tags', '"a"'],
      ['delete', 'demo/main', 'tags'],
      ['transact', 'demo/main', '[{"op":"put","path":"x/c","value":3}]'],
      ['rollback', 'demo/main', '0', '--path', 'x'],
      ['lease', 'demo/main', 'lock'],
    ]) {
      const { ran, bytes } = await measured(...args);
      expect([args, ran.code]).toEqual([args, 0]);
      expect(bytes).toBeGreaterThan(100);
      expect(bytes).toBeLessThan(kilobytes);
    }
  },
);

test(
  'S114 a one-shot read transfers what it shows, and a whole listing is seen by the meter',
  { timeout: 120_000 },
  async () => {
    const one = await measured('get', 'demo/main', 'n');
    expect(one.ran.rows).toMatchObject([{ value: 5 }]);
    expect(one.bytes).toBeLessThan(kilobytes);
    const before = meter.bytes;
    const flight = await cli(['once', 'demo/main', 'made', '--url', url, '--', 'echo', '7']);
    expect(flight.rows).toMatchObject([{ how: 'computed', value: 7 }]);
    expect(meter.bytes - before).toBeLessThan(kilobytes);
    const watched = await measured('watch', 'demo/main', 'made', '--current', '--count', '1');
    expect(watched.ran.rows).toMatchObject([{ path: 'made', value: '7' }]);
    expect(watched.bytes).toBeLessThan(kilobytes);
    const page = await measured('entries', 'demo/main', '--limit', '3');
    expect(page.ran.rows).toHaveLength(3);
    expect(page.bytes).toBeLessThan(kilobytes);
    const all = await measured('entries', 'demo/main', '--select', 'keys');
    // And the counter and the lease of the test before, and what was made once.
    expect(all.ran.rows).toHaveLength(leaves + 3);
    expect(all.bytes).toBeGreaterThan(kilobytes);
  },
);
