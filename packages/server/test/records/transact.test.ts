import { record } from '@holdfast/protocol';
import {
  createServer,
  type Fencing,
  type RecordOp,
  type Server,
  type ServerTx,
} from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';

const Book = record({
  name: 'book',
  store: 'acme/:account',
  path: 'books/:id',
  version: '1.0',
  schema: z.object({ cents: z.number(), note: z.string().optional() }),
  authority: { note: 'lww' },
  mutations: {
    audit: { input: z.null(), apply: (current) => ({ cents: 0, ...current, note: 'audited' }) },
  },
});
const up = (current: { cents: number } | undefined) => ({ cents: (current?.cents ?? 0) + 1 });
const waits = () => Promise.reject(new Error('later'));
const missing = (tx: ServerTx) => tx.record(book('none')).patch({ cents: 1 });
const book = (id: string) => Book.ref({ account: 'a', id });

/** Moves money from book to book, and returns what is left. */
const move = (from: string, to: string, sum: number) => (tx: ServerTx) => {
  const [there, here] = [tx.record(book(from)), tx.record(book(to))];
  const left = (there.get()?.cents ?? 0) - sum;
  if (left < 0) throw new Error('too little');
  there.patch({ cents: left });
  here.set({ cents: (here.get()?.cents ?? 0) + sum });
  return left;
};

/** A server with books of one account, of which one has money. */
async function ledger() {
  const server = createServer({ storage: memory() });
  onTestFinished(() => server.close());
  const books = server.record(Book, { write: ({ principal }) => principal.subject === 'ann' });
  await server.stores.create('acme/a');
  await books.write({ account: 'a', id: 'cash' }, { set: { cents: 100 } });
  const cents = async (id: string) => (await books.get({ account: 'a', id })).value?.cents;
  return { server, books, cents };
}

/** Asks for what leases are asked for, on `lock` in the store `acme/a`, by a worker over HTTP; the token. */
async function leases(server: Server): Promise<(op: object) => Promise<number>> {
  const { url } = await server.listen();
  const issued = await server.tokens.issue({
    name: 'worker',
    org: 'acme',
    scopes: ['entries:read', 'entries:write'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  return async (op) => {
    const response = await fetch(`${url}/api/stores/acme/a/transact`, {
      method: 'POST',
      headers: { authorization: `Bearer ${issued.rawToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ops: [{ path: 'lock', ...op }] }),
    });
    const held = z.object({ results: z.array(z.object({ token: z.number().optional() })) });
    return held.parse(await response.json()).results[0]?.token ?? 0;
  };
}

test('code of the server changes several objects in one commit, and is told what its callback returns', async () => {
  const { server, books, cents } = await ledger();
  await expect(server.transact('acme/a', move('cash', 'bank', 30))).resolves.toBe(70);
  expect([await cents('cash'), await cents('bank')]).toEqual([70, 30]);
  const both = ['cash', 'bank'].map((id) => books.get({ account: 'a', id }));
  const [one, two] = (await Promise.all(both)).map(({ sequence }) => sequence);
  expect(Math.abs(Number(one) - Number(two))).toBe(1);
});

test('a transaction of the server that throws commits nothing, and one reads what it has written', async () => {
  const { server, cents } = await ledger();
  await expect(server.transact('acme/a', move('cash', 'bank', 101))).rejects.toThrow('too little');
  const twice = (tx: ServerTx) => [move('cash', 'bank', 60)(tx), move('cash', 'bank', 60)(tx)];
  await expect(server.transact('acme/a', twice)).rejects.toThrow('too little');
  expect([await cents('cash'), await cents('bank')]).toEqual([100, undefined]);
});

test('of many transactions at once each is made on what the others have left, whatever they have read', async () => {
  const { server, cents } = await ledger();
  const all = Array.from({ length: 60 }, () => server.transact('acme/a', move('cash', 'bank', 2)));
  const ends = await Promise.allSettled(all);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
  expect([await cents('cash'), await cents('bank')]).toEqual([0, 100]);
});

test('of many functions that change one object at once each is made on what the others have left', async () => {
  const { books, cents } = await ledger();
  const writes = Array.from({ length: 60 }, () => books.write({ account: 'a', id: 'cash' }, up));
  await Promise.all(writes);
  expect(await cents('cash')).toBe(160);
});

test('of many transactions that share some of their objects each is made, and none waits for ever', async () => {
  const { server, cents } = await ledger();
  const all = Array.from({ length: 120 }, (_, at) => {
    const ids = new Set([0, 1, 4, 9, 16, 25].map((step) => `b${(7 * at + step) % 40}`));
    return server.transact('acme/a', (tx) => {
      for (const id of ids) {
        const object = tx.record(book(id));
        object.set(up(object.get()));
      }
    });
  });
  await Promise.all(all);
  const sums = await Promise.all(Array.from({ length: 40 }, (_, at) => cents(`b${at}`)));
  expect(sums.reduce((sum = 0, each = 0) => sum + each, 0)).toBe(120 * 6);
});

test('many who change one object hold nobody up who changes another', async () => {
  const { server, books } = await ledger();
  const order: string[] = [];
  const noted = async (id: string, done: Promise<unknown>): Promise<void> => {
    await done;
    order.push(id);
  };
  const add = (id: string) => noted(id, books.write({ account: 'a', id }, up));
  const many = Array.from({ length: 30 }, () => add('cash'));
  await Promise.race(many);
  const made = server.transact('acme/a', (tx) => tx.record(book('safe')).set({ cents: 0 }));
  await Promise.all([...many, add('bank'), noted('safe', made)]);
  expect(order.at(-1)).toBe('cash');
});

test('a function of a write that waits changes nothing, and that it fails afterwards ends nothing', async () => {
  const { books, cents } = await ledger();
  const written = books.write({ account: 'a', id: 'cash' }, waits as never);
  await expect(written).rejects.toThrow('must not wait');
  expect(await cents('cash')).toBe(100);
});

test('an object that a transaction only reads is as it was read when the others are written', async () => {
  const { server, cents } = await ledger();
  const read: unknown[] = [];
  const first = server.transact('acme/a', (tx) => tx.record(book('cash')).set({ cents: 1 }));
  const second = server.transact('acme/a', (tx) => {
    const sum = tx.record(book('cash')).get()?.cents ?? 0;
    read.push(sum);
    tx.record(book('report')).set({ cents: sum });
  });
  await Promise.all([first, second]);
  expect([read, await cents('report')]).toEqual([[100, 1], 1]);
});

test('a transaction removes objects, takes fields out, and writes nothing where nothing changes', async () => {
  const { server, books } = await ledger();
  const cash = { account: 'a', id: 'cash' };
  await server.transact('acme/a', (tx) => tx.record(book('cash')).patch({ note: 'x' }));
  await server.transact('acme/a', (tx) => tx.record(book('cash')).patch({ note: undefined }));
  const { value, sequence } = await books.get(cash);
  expect(value).toEqual({ cents: 100 });
  await server.transact('acme/a', (tx) => tx.record(book('cash')).set({ cents: 100 }));
  expect((await books.get(cash)).sequence).toBe(sequence);
  await server.transact('acme/a', (tx) => tx.record(book('cash')).remove());
  expect((await books.get(cash)).value).toBeNull();
});

test('a transaction of which something cannot be is refused, and nothing of it is committed', async () => {
  const { server, cents } = await ledger();
  const refused = (run: (tx: ServerTx) => unknown, store = 'acme/a') =>
    expect(server.transact(store, run)).rejects;
  await refused(() => null, 'acme/none').toMatchObject({ code: 'not_found' });
  await refused(() => null, 'no name').toMatchObject({ code: 'not_found' });
  const elsewhere = Book.ref({ account: 'b', id: 'cash' });
  await refused((tx) => tx.record(elsewhere).get()).toMatchObject({ code: 'store_mismatch' });
  await refused(missing).toMatchObject({ code: 'not_found' });
  await refused((tx) => {
    tx.record(book('cash')).set({ cents: 1 });
    tx.record(book('bad')).set({ cents: 'many' as never });
  }).toMatchObject({ code: 'invalid_value' });
  await refused(async (tx) => tx.record(book('cash')).set({ cents: 1 })).toThrow('must not wait');
  expect(await cents('cash')).toBe(100);
});

test('a transaction of the server under a lease is committed while it is held, and refused once it is not (stores.md §5.1.3)', async () => {
  const { server, cents } = await ledger();
  const lease = await leases(server);
  const held = await lease({ op: 'lease' });
  const under = (fence: Fencing) =>
    server.transact('acme/a', (tx) => {
      tx.fence(fence);
      return move('cash', 'bank', 10)(tx);
    });
  await expect(under({ key: 'lock', token: held - 1 })).rejects.toMatchObject({ code: 'fenced' });
  for (const odd of [
    { key: '', token: held },
    { key: 'lock', token: '5' as never },
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await expect(under(odd)).rejects.toMatchObject({ code: 'invalid_precondition' });
  }
  expect(await cents('cash')).toBe(100);
  await expect(under({ key: ['lock'], token: held })).resolves.toBe(90);
  await lease({ op: 'release', token: held });
  await expect(under({ key: 'lock', token: held })).rejects.toMatchObject({ code: 'fenced' });
  expect([await cents('cash'), await cents('bank')]).toEqual([90, 10]);
});

test.each<[string, RecordOp<typeof Book>]>([
  ['set', { set: { cents: 7 } }],
  ['patch', { patch: { note: 'x' } }],
  ['patch that takes out', { patch: { note: undefined } }],
  ['increment', { increment: 'cents', by: 2 }],
  ['remove', { remove: true }],
  ['mutate', { mutate: 'audit' }],
  ['function', up],
])(
  'code of the server that writes a record by %s under a lease is refused once it is lost, and writes while it is held (S46)',
  async (_way, op) => {
    const { server, books } = await ledger();
    const lease = await leases(server);
    const cash = { account: 'a', id: 'cash' };
    const { sequence } = await books.write(cash, { set: { cents: 1, note: 'old' } });
    const token = await lease({ op: 'lease' });
    const under = (fence: Fencing) => books.write(cash, op, { fence });
    await expect(under({ key: 'lock', token: token - 1 })).rejects.toMatchObject({
      code: 'fenced',
    });
    await expect(under({ key: '', token })).rejects.toMatchObject({ code: 'invalid_precondition' });
    await expect(under({ key: 'lock', token: '5' as never })).rejects.toMatchObject({
      code: 'invalid_precondition',
    });
    expect((await books.get(cash)).sequence).toBe(sequence);
    const written = await under({ key: ['lock'], token });
    expect(written.sequence).toBeGreaterThan(sequence);
    await lease({ op: 'release', token });
    await expect(under({ key: 'lock', token })).rejects.toMatchObject({ code: 'fenced' });
  },
);

test('code of the server that changes under a lease what is not there is told that it is not there', async () => {
  const { server, books } = await ledger();
  const lease = await leases(server);
  const fence = { key: 'lock', token: await lease({ op: 'lease' }) };
  await expect(
    books.write({ account: 'a', id: 'none' }, { patch: { cents: 1 } }, { fence }),
  ).rejects.toMatchObject({ code: 'not_found' });
});

test('a transaction with a principal is judged as a write of that principal, all of it or nothing', async () => {
  const { server, books } = await ledger();
  await server.transact('acme/a', move('cash', 'bank', 30));
  const as = (subject: string, bank: { cents?: number; note?: string }) => {
    const ctx = { principal: { subject }, now: 0 };
    const both = (tx: ServerTx) => {
      tx.record(book('cash')).patch({ note: 'x' });
      tx.record(book('bank')).patch(bank);
    };
    return server.transact('acme/a', both, { ctx });
  };
  const cash = async () => (await books.get({ account: 'a', id: 'cash' })).value;
  await expect(as('bob', { note: 'x' })).rejects.toMatchObject({ code: 'path_not_allowed' });
  await expect(as('ann', { cents: 1 })).rejects.toMatchObject({ code: 'forbidden_field' });
  expect(await cash()).toEqual({ cents: 70 });
  await as('ann', { note: 'x' });
  expect(await cash()).toEqual({ cents: 70, note: 'x' });
});

test('a transaction, read or write of code of the server that begins while it closes is refused as unavailable', async () => {
  const { server, books } = await ledger();
  const cash = { account: 'a', id: 'cash' };
  const closing = server.close();
  const late = [
    server.transact('acme/a', move('cash', 'bank', 30)),
    books.get(cash),
    books.write(cash, { set: { cents: 1 } }),
  ];
  const ends = await Promise.all(late.map((each) => each.catch((error: unknown) => error)));
  for (const end of ends) expect(end).toMatchObject({ code: 'unavailable', retry: 'later' });
  await closing;
});
