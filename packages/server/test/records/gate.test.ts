import { type } from 'arktype';
import * as v from 'valibot';
import { passthrough, record, type StandardSchema } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { directory } from '../catch-up/directory.ts';
import { everything, world } from '../conversation/world.ts';
import { gateway, headOf, http, person, transact, write } from './site.ts';

const spec = { name: 'user', store: 'demo/main', path: 'users/:id', version: '1.0' } as const;
const User = record({
  ...spec,
  schema: z.object({ name: z.string(), age: z.number().optional() }),
});
const ada = { name: 'ada', age: 36 };

const schemas: readonly [string, StandardSchema<unknown>][] = [
  ['zod', z.object({ name: z.string(), age: z.optional(z.number()) })],
  ['valibot', v.object({ name: v.string(), age: v.optional(v.number()) })],
  ['arktype', type({ name: 'string', 'age?': 'number' })],
];

/** The three leaves of an object, as they are imported. */
const linesOf = (id: number, value: unknown): string[] =>
  ['a', 'b', 'c'].map((key) => JSON.stringify({ path: `users/${id}/${key}`, value }));

describe('The write gate', () => {
  test.each(schemas)(
    'R99 with %s, no surface commits what the schema refuses',
    async (_, schema) => {
      const site = await world();
      site.server.record(record({ ...spec, schema }));
      const peer = await site.joined();
      const first = await write(peer, { op: 'set', path: 'users/1', value: ada });
      expect(first).toEqual({ status: 'ok', response: { store_seq: 2 } });
      const head = await headOf(peer);
      const details = { record: 'user', path: 'users/1' };
      const refusal = { ...details, reason: 'invalid_value', issues: [{ path: ['name'] }] };
      const pushes = [
        { op: 'set', path: 'users/1', value: { name: 7 } },
        { op: 'set', path: 'users/1/name', value: 7 },
        { op: 'merge', path: 'users/1', value: { name: null } },
        { op: 'increment', path: 'users/1/name/deep', value: 1 },
        { op: 'delete', path: 'users/1/name' },
        { op: 'merge', path: 'users', value: { '1': { name: 7 } } },
      ];
      for (const push of pushes) {
        expect(await write(peer, push)).toMatchObject({ status: 'error', response: refusal });
      }
      const scalar = await write(peer, { op: 'set', path: 'users/1', value: 'ada' });
      expect(scalar.response).toMatchObject({ ...details, reason: 'invalid_value' });
      const many = [
        { op: 'set', path: 'other', value: 1 },
        { op: 'set', path: 'users/1/name', value: 7 },
      ];
      expect((await transact(peer, many)).response).toMatchObject(refusal);
      const answer = { status: 422, json: { error: 'invalid_value', ...details } };
      expect(await http(site, 'PUT', 'entries/users/1/name', { body: 7 })).toMatchObject(answer);
      expect(
        await http(site, 'POST', 'entries/batch_write', { body: { ops: many } }),
      ).toMatchObject(answer);
      expect(await headOf(peer)).toBe(head);
    },
  );

  test('R99 a leaf is no record, though it looks like an object and any object would pass', async () => {
    const site = await world();
    site.server.record(record({ ...spec, schema: passthrough<object>() }));
    const peer = await site.joined();
    const head = await headOf(peer);
    const value = { _type: 'decimal', _typed: '1.5' };
    const issues = [{ message: 'a record is an object', path: [] }];
    const refusal = { reason: 'invalid_value', record: 'user', path: 'users/1', issues };
    for (const push of [{ op: 'set', value }, { op: 'lease' }]) {
      expect((await write(peer, { ...push, path: 'users/1' })).response).toMatchObject(refusal);
    }
    expect(await headOf(peer)).toBe(head);
    expect(
      await write(peer, { op: 'set', path: 'users/1', value: { price: value } }),
    ).toMatchObject({
      status: 'ok',
    });
  });

  test.each([
    ['at once', (ok: boolean) => ok],
    ['later', (ok: boolean) => Promise.resolve(ok)],
  ])(
    'S95 lines that a write rule refuses %s are told, and the rest is imported',
    async (_, say) => {
      const site = await world({
        authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
      });
      site.server.record(User, { write: (_ctx, ref) => say(ref.params['id'] !== 'no') });
      const users = ['yes', 'no', 'so'].flatMap((id) => [
        { path: `users/${id}/name`, value: id },
        { path: `users/${id}/age`, value: 7 },
      ]);
      const lines = [...users, { path: 'elsewhere', value: 1 }].map((each) => JSON.stringify(each));
      const body = { token: 'eve', lines: lines.join('\n') };
      const query = 'import?headerless=slash';
      const atomic = await http(site, 'POST', `${query}&mode=atomic`, body);
      expect([atomic.status, atomic.json['failed_total']]).toEqual([422, 2]);
      const { status, json } = await http(site, 'POST', query, body);
      expect([status, json['imported'], json['failed']]).toEqual([
        200,
        5,
        [
          { line: 3, path: 'users/no/name', reason: 'path_not_allowed' },
          { line: 4, path: 'users/no/age', reason: 'path_not_allowed' },
        ],
      ]);
    },
  );

  test("S95 lines that write fields that are no client's are told, and the rest is imported", async () => {
    const site = await world({
      authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
    });
    site.server.record(record({ ...spec, schema: User.schema, authority: { name: 'lww' } }));
    const lines = [
      { path: 'users/a/name', value: 'a' },
      { path: 'users/b/name', value: 'b' },
      { path: 'users/b/age', value: 7 },
    ].map((each) => JSON.stringify(each));
    const { json } = await http(site, 'POST', 'import?headerless=slash', {
      token: 'eve',
      lines: lines.join('\n'),
    });
    expect([json['imported'], json['failed']]).toEqual([
      1,
      [
        { line: 2, path: 'users/b/name', reason: 'forbidden_field' },
        { line: 3, path: 'users/b/age', reason: 'forbidden_field' },
      ],
    ]);
  });

  test('R99 an import and a rollback pass the gate too', async () => {
    const site = await world();
    site.server.record(User);
    const peer = await site.joined();
    await write(peer, { op: 'set', path: 'other', value: 1 });
    await write(peer, { op: 'set', path: 'users/1', value: ada });
    const lines = [
      { _header: true, path_schema_version: 3 },
      { path: 'a', value: 1 },
      { path: 'users/2/age', value: 'old' },
      { path: 'users/2/name', value: 'bob' },
      { path: 'users/3/name', value: 'eve' },
    ];
    const body = lines.map((line) => JSON.stringify(line)).join('\n');
    const imported = await http(site, 'POST', 'import', { lines: body });
    expect(imported.json).toMatchObject({
      imported: 2,
      failed: [
        { line: 3, path: 'users/2/age', reason: 'invalid_value' },
        { line: 4, path: 'users/2/name', reason: 'invalid_value' },
      ],
    });
    const before = await headOf(peer);
    const atomic = await http(site, 'POST', 'import?mode=atomic', { lines: body });
    expect(atomic.json).toMatchObject({ imported: 0, ok: false });
    expect(await headOf(peer)).toBe(before);
  });

  test('S95 an object whose lines stand on both sides of the end of a commit is imported whole, or told as a whole', async () => {
    const site = await world();
    const schema = z.object({ a: z.number(), b: z.number(), c: z.number() });
    site.server.record(record({ ...spec, schema }));
    const lines = ['{"_header":true,"path_schema_version":3}'];
    // The ends of commits lie within the objects 333 and 666.
    for (let id = 0; id < 1000; id++) lines.push(...linesOf(id, id === 666 ? 'none' : id));
    const run = async () =>
      (await http(site, 'POST', 'import?import_id=whole', { lines: lines.join('\n') })).json;
    const failed = [2000, 2001, 2002].map((line) => ({ line, reason: 'invalid_value' }));
    expect(await run()).toMatchObject({ imported: 2997, skipped: 0, failed });
    expect(await run()).toMatchObject({ imported: 0, skipped: 2997, failed });
    lines.splice(1999, 3, ...linesOf(666, 666));
    expect(await run()).toMatchObject({ ok: true, imported: 3, skipped: 2997 });
  });

  test('R99 a rollback to what a schema of today refuses commits nothing', async () => {
    const data = directory();
    const first = await world({ data });
    const early = await first.joined();
    await write(early, { op: 'set', path: 'users/1', value: { name: 7 } });
    await write(early, { op: 'set', path: 'users/1', value: ada });
    await first.server.close();
    const second = await world({ data });
    second.server.record(User);
    const peer = await second.joined();
    const back = await peer.ask('store:demo/main', 'rollback', { path: 'users/1', to_seq: 1 });
    expect(back.response).toMatchObject({ reason: 'invalid_value', record: 'user' });
    expect(await headOf(peer)).toBe(2);
  });

  test('R98 a write passes the gate of every record whose object it changes', async () => {
    const site = await world();
    site.server.record(User);
    const settings = z.object({ theme: z.enum(['dark', 'light']) });
    const Settings = record({
      ...spec,
      name: 'settings',
      path: 'users/:id/settings',
      schema: settings,
    });
    site.server.record(Settings);
    const peer = await site.joined();
    const set = (value: object) => write(peer, { op: 'set', path: 'users/1', value });
    expect((await set({ ...ada, settings: { theme: 'red' } })).response).toMatchObject({
      reason: 'invalid_value',
      record: 'settings',
    });
    expect(await set({ ...ada, settings: { theme: 'dark' } })).toMatchObject({ status: 'ok' });
    expect(await write(peer, { op: 'set', path: 'users/1/name', value: 7 })).toMatchObject({
      response: { record: 'user' },
    });
    const other = record({ ...spec, name: 'other', path: 'users/:name', schema: passthrough() });
    expect(() => site.server.record(other)).toThrow(/before a store is opened/);
  });

  test('R98 two records of one name or one place are an error', async () => {
    const { server } = await world();
    server.record(User);
    expect(() => server.record(User)).toThrow(/"user"/);
    const other = record({ ...spec, name: 'other', path: 'users/:name', schema: passthrough() });
    expect(() => server.record(other)).toThrow(/share name or path/);
  });

  test('R100 a write above the path changes every record below, each at the sequence of the commit', async () => {
    const site = await world();
    const users = site.server.record(User);
    const peer = await site.joined();
    const value = { '1': ada, '2': { name: 'bob' } };
    const { response } = await write(peer, { op: 'set', path: 'users', value });
    const envelopes = await Promise.all([users.get({ id: '1' }), users.get({ id: '2' })]);
    expect(envelopes).toMatchObject([
      { value: ada, sequence: response['store_seq'], schema_version: '1.0' },
      { value: { name: 'bob' }, sequence: response['store_seq'] },
    ]);
    const gone = await write(peer, { op: 'delete', path: 'users' });
    const absent = { value: null, deleted: true, sequence: gone.response['store_seq'] };
    expect(await users.get({ id: '1' })).toMatchObject(absent);
  });

  test('R102 a schema that transforms is stored by its output only where that is stable', async () => {
    const site = await world();
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) });
    const unstable = site.server.record(record({ ...spec, schema }));
    const Input = record({ ...spec, name: 'in', path: 'ins/:id', schema, stored: 'input' });
    const stable = site.server.record(Input);
    // What it takes is not what it gives: the compiler says so too.
    const wrong = { at: '2026-01-01T00:00:00Z' } as unknown as { at: Date };
    await expect(unstable.write({ id: '1' }, { set: wrong })).rejects.toThrow(/not stable/);
    const { value } = await stable.write({ id: '1' }, { set: { at: '2026-01-01T00:00:00Z' } });
    expect(value).toEqual({ at: '2026-01-01T00:00:00Z' });
  });

  test('R103 an asynchronous write schema that races another commit runs anew: no update is lost', async () => {
    const site = await world();
    const asked: unknown[] = [];
    const first = gateway();
    const writeSchema: StandardSchema<unknown> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) => {
          asked.push(value);
          if (asked.length === 1) await first.promise;
          return { value };
        },
      },
    };
    const schema = passthrough<{ n?: number; m?: number }>();
    site.server.record(record({ ...spec, schema }), { writeSchema });
    const slow = await site.joined({ device: 'slow' });
    const fast = await site.joined({ device: 'fast' });
    const held = write(slow, { op: 'increment', path: 'users/1/n', value: 1 });
    // In its channel's order, behind the one that waits; another channel does not wait.
    const behind = write(slow, { op: 'set', path: 'elsewhere', value: 1 });
    await expect.poll(() => asked.length).toBe(1);
    await write(fast, { op: 'increment', path: 'users/1/n', value: 10 });
    first.resolve();
    expect((await held).status).toBe('ok');
    const seqs = [(await held).response['store_seq'], (await behind).response['store_seq']];
    expect(Number(seqs[0])).toBeLessThan(Number(seqs[1]));
    expect(asked).toEqual([{ n: 1 }, { n: 10 }, { n: 11 }]);
    expect((await http(site, 'GET', 'entries/users/1')).json['value']).toEqual({ n: 11 });
  });

  test('R103 what changes faster than it is judged is overloaded after three runs more', async () => {
    const site = await world();
    let runs = 0;
    const schema = passthrough<{ n?: number }>();
    const users = site.server.record(record({ ...spec, schema }), {
      write: async (_ctx, ref) => {
        runs += 1;
        const others = ref.params.id === '1' && runs < 20;
        if (others) await users.write({ id: '1' }, { set: { n: runs } });
        return true;
      },
    });
    const peer = await site.joined();
    const { response } = await write(peer, { op: 'increment', path: 'users/1/n', value: 1 });
    expect(response['reason']).toBe('overloaded');
    expect(runs).toBe(4);
  });

  test('R104 what a store can hold comes back as it was, and NaN is no value of a record', async () => {
    const site = await world();
    const schema = passthrough<{ [field: string]: unknown }>();
    const users = site.server.record(record({ ...spec, schema }));
    const value = {
      big: 2n ** 80n,
      at: new Date('2026-03-31T12:00:00.000Z'),
      bytes: new Uint8Array([1, 2, 255]),
      price: { _type: 'decimal', _typed: '29.99' },
      empty: {},
      list: [1, null, { deep: true }],
    };
    expect((await users.write({ id: '1' }, { set: value })).value).toEqual(value);
    await expect(users.write({ id: '1' }, { set: { n: Number.NaN } })).rejects.toMatchObject({
      code: 'invalid_value',
    });
  });

  test('a write rule says who may write what, at once or later, and by throwing why not', async () => {
    const site = await world();
    const seen: unknown[] = [];
    const users = site.server.record(User, {
      write: async (ctx, ref, intent, current) => {
        seen.push([ctx.principal.subject, ref.params.id, intent, current]);
        return intent.op !== 'delete';
      },
    });
    const peer = await site.joined();
    await write(peer, { op: 'set', path: 'users/1', value: ada });
    const refused = await write(peer, { op: 'delete', path: 'users/1' });
    expect(refused.response).toMatchObject({ reason: 'path_not_allowed', path: 'users/1' });
    expect(seen).toEqual([
      ['dev', '1', { op: 'set', path: 'users/1', value: ada }, undefined],
      ['dev', '1', { op: 'delete', path: 'users/1', value: undefined }, ada],
    ]);
    // Code of the server is asked nothing, unless it acts for somebody.
    await users.write({ id: '1' }, { remove: true });
    expect(seen).toHaveLength(2);
    const ctx = { principal: { subject: 'eve' }, now: 0 };
    await users.write({ id: '2' }, { set: ada }, { ctx });
    await expect(users.write({ id: '2' }, { remove: true }, { ctx })).rejects.toMatchObject({
      code: 'path_not_allowed',
    });
  });

  test('code of the server writes by value, part, count, mutation and function', async () => {
    const site = await world();
    const users = site.server.record(User);
    await expect(users.write({ id: '1' }, { patch: { age: 1 } })).rejects.toMatchObject({
      code: 'not_found',
    });
    await users.write({ id: '1' }, { set: ada });
    await users.write({ id: '1' }, { increment: ['age'], by: 2 });
    expect((await users.write({ id: '1' }, { patch: { name: 'grace' } })).value).toEqual({
      name: 'grace',
      age: 38,
    });
    const older = users.write({ id: '1' }, (current) => current && { ...current, age: 40 });
    const named = users.write({ id: '1' }, (current) => current && { ...current, name: 'g' });
    await Promise.all([older, named]);
    expect((await users.get({ id: '1' })).value).toEqual({ name: 'g', age: 40 });
    const kept = await users.get({ id: '1' });
    expect(await users.write({ id: '1' }, (current) => current)).toEqual(kept);
    expect(await users.write({ id: '1' }, { patch: { age: undefined } })).toMatchObject({
      value: { name: 'g' },
    });
    await expect(users.get({ id: '' })).rejects.toMatchObject({ code: 'invalid_params' });
  });
});
