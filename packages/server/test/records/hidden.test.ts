import { passthrough, record, type StandardSchema } from '@holdfast/protocol';
import type { Principal, ServerRecord } from '@holdfast/server';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { everything, topic, world, type World } from '../conversation/world.ts';
import { http, person, transact, write } from './site.ts';

const ada = { name: 'Ada', email: 'a@x', 'a/b': 'odd' };

const Member = record({
  name: 'member',
  store: 'demo/main',
  path: 'people/:id',
  version: '1.0',
  schema: z.object({
    name: z.string().optional(),
    email: z.string().optional(),
    'a/b': z.string().optional(),
  }),
  visibility: {
    name: () => true,
    '*': ({ principal, params }) => principal.subject === params.id,
  },
  mutations: {
    rename: { apply: (current, name) => ({ ...current, name: String(name) }) },
    forget: {
      apply: (current) => {
        const { email: _, ...rest } = current ?? {};
        return rest;
      },
    },
  },
});

type Scope = Principal['scopes'] extends ReadonlySet<infer Name> ? Name : never;

async function site({
  writeSchema,
  scopes = ['entries:read', 'entries:write', 'stores:clone'],
}: {
  readonly writeSchema?: StandardSchema<unknown>;
  readonly scopes?: readonly Scope[];
} = {}): Promise<World & { readonly members: ServerRecord<typeof Member> }> {
  const made = await world({
    authenticate: async ({ token }) =>
      token === 'dev' ? everything : person(token, { scopes: new Set(scopes) }),
  });
  const members = made.server.record(Member, { ...(writeSchema && { writeSchema }) });
  await members.write({ id: 'ada' }, { set: ada });
  await members.write({ id: 'eve' }, { set: { name: 'Eve' } });
  return { ...made, members };
}

function mutate(name: string, value: unknown, id = 'ada'): object {
  return { op: 'mutate', path: `people/${id}`, record: 'member', name, value };
}

/** An op at a field of Ada. */
function at(field: string, more: object): object {
  return { path: `people/ada/${field}`, ...more };
}

/** A write above Eve. */
function aboveEve(value: object): object {
  return { op: 'merge', path: 'people', value: { eve: value } };
}

function line(path: string, value: unknown): string {
  return `${JSON.stringify({ path, value, type: 'string' })}\n`;
}

async function stored(made: World): Promise<unknown> {
  return (await http(made, 'GET', 'entries/people/ada')).json['value'];
}

test('R227 the merge of a client neither removes nor overwrites what is hidden from it', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const tries = [
    mutate('holdfast:merge', { unset: ['email'] }),
    mutate('holdfast:merge', { set: { email: 'e@x' } }),
  ];
  for (const each of tries) {
    const { response } = await write(eve, each);
    expect(response).toEqual({ reason: 'forbidden_field', fields: ['email'] });
  }
  expect(await stored(made)).toEqual(ada);
  const seen = mutate('holdfast:merge', { set: { name: 'Countess' } });
  expect(await write(eve, seen)).toMatchObject({ status: 'ok' });
  expect(await stored(made)).toEqual({ ...ada, name: 'Countess' });
});

test('R227 beside a mutation, other writes still do not touch what is hidden', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const foreign = mutate('rename', 'E', 'eve');
  const own = mutate('rename', 'Countess');
  const overwrites = [
    { op: 'delete', path: 'people/ada/email' },
    { op: 'delete', path: 'people/ada/a~1b' },
    { op: 'set', path: 'people/ada', value: { name: 'x' } },
    { op: 'delete', path: 'people/ada' },
    { op: 'set', path: 'people', value: {} },
    mutate('holdfast:merge', { unset: ['email'] }),
  ];
  for (const beside of [foreign, own]) {
    for (const each of overwrites) {
      for (const ops of [
        [beside, each],
        [each, beside],
      ]) {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        const { status } = await transact(eve, ops);
        expect([ops, status]).toEqual([ops, 'error']);
      }
    }
  }
  expect(await stored(made)).toEqual(ada);
});

test('R227 a declared mutation of the object changes what is hidden, and others are written beside it', async () => {
  const made = await site();
  const eve = await made.joined({ token: 'eve' });
  const ops = [
    mutate('forget', null),
    { op: 'set', path: 'people/ada/name', value: 'Countess' },
    { op: 'set', path: 'elsewhere', value: 1 },
    { op: 'delete', path: 'people/eve/name' },
  ];
  expect(await transact(eve, ops)).toMatchObject({ status: 'ok' });
  expect(await stored(made)).toEqual({ name: 'Countess', 'a/b': 'odd' });
});

test('R219 what a write schema says tells of no hidden field, nor what it throws', async () => {
  let isBroken = false;
  let isStrict = false;
  const writeSchema: StandardSchema<unknown> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: async (value) => {
        if (isBroken) throw new Error(`no ${JSON.stringify(value)}`);
        if (!isStrict) return { value };
        const message = JSON.stringify(value);
        return {
          issues: [
            { message, path: ['email'] },
            { message: 'short', path: ['name'] },
            { message, path: [] },
            { message, path: ['none'] },
          ],
        };
      },
    },
  };
  const made = await site({ writeSchema });
  const eve = await made.joined({ token: 'eve' });
  const tried = { op: 'set', path: 'people/ada/name', value: 'A' };
  isStrict = true;
  const { response } = await write(eve, tried);
  expect(response['issues']).toEqual([
    { message: 'short', path: ['name'] },
    { message: 'The object does not pass.', path: [] },
  ]);
  isBroken = true;
  const broken = await write(eve, tried);
  expect(broken.response).toMatchObject({ reason: 'invalid_value', issues: [{ path: [] }] });
  expect(JSON.stringify(broken)).not.toContain('a@x');
});

test('R219 what a schema says of an object tells nothing of what another record hides below it', async () => {
  const issues: { readonly message: string; readonly path: readonly string[] }[] = [];
  const made = await world({
    authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
  });
  const schema = passthrough<{ name?: string; plan?: object; price?: string }>();
  const spec = { store: 'demo/main', version: '1.0', schema };
  const Team = record({ ...spec, name: 'team', path: 'teams/:id' });
  const Plan = record({
    ...spec,
    name: 'plan',
    path: 'teams/:id/plan',
    visibility: { name: () => true, '*': ({ principal }) => principal.subject === 'ada' },
  });
  const writeSchema: StandardSchema<unknown> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => (issues.length === 0 ? { value } : { issues }),
    },
  };
  const teams = made.server.record(Team, { writeSchema });
  made.server.record(Plan);
  await teams.write({ id: '1' }, { set: { name: 'T', plan: { name: 'P', price: 'gold' } } });
  issues.push(
    { message: 'short', path: ['name'] },
    { message: 'short, too', path: ['plan', 'name'] },
    { message: 'gold', path: ['plan', 'price'] },
    { message: 'gold', path: ['plan', 'none'] },
    { message: 'gold', path: ['plan'] },
    { message: 'gold', path: [] },
  );
  const told = async (token: string): Promise<unknown> => {
    const peer = await made.joined({ token, device: token });
    const { response } = await write(peer, { op: 'set', path: 'teams/1/name', value: 'x' });
    return response['issues'];
  };
  const general = { message: 'The object does not pass.', path: [] };
  expect(await told('eve')).toEqual([...issues.slice(0, 2), general]);
  expect(await told('ada')).toEqual(issues);
});

test('R227 an import writes nothing over what is hidden, and tells so line by line', async () => {
  const made = await site();
  const token = 'eve';
  const query = 'import?headerless=slash';
  const over = line('people/ada/email', 'e@x');
  const none = line('people/eve/a~1b', 'x');
  const seen = line('people/ada/name', 'A');
  const atomic = await http(made, 'POST', `${query}&mode=atomic`, { token, lines: over + seen });
  expect([atomic.status, await stored(made)]).toEqual([422, ada]);
  const { status, json } = await http(made, 'POST', query, { token, lines: over + seen + none });
  expect([status, json['imported'], await stored(made)]).toEqual([200, 2, { ...ada, name: 'A' }]);
  expect(json['failed']).toEqual([
    { line: 1, path: 'people/ada/email', reason: 'forbidden_field' },
  ]);
});

test('R227 a write that names what is hidden is refused, whatever it writes and whatever is there', async () => {
  const made = await site();
  const dev = await made.joined();
  await write(dev, { op: 'lease', path: 'people/ada/job', ttl_ms: 60_000 });
  const eve = await made.joined({ token: 'eve', device: 'd2' });
  const tries: (readonly [readonly string[], object])[] = [
    [['email'], at('email', { op: 'set', value: 'a@x' })],
    [['email'], at('email', { op: 'set', value: 'other@x' })],
    [['email'], at('email', { op: 'increment', value: 1 })],
    [['email'], at('email', { op: 'add', value: 1 })],
    [['email'], { op: 'merge', path: 'people/ada', value: { email: 'a@x' } }],
    [['email', 'a/b'], { op: 'set', path: 'people/ada', value: ada }],
    [['email'], mutate('holdfast:merge', { set: { email: 'a@x' } })],
    [['job'], at('job', { op: 'lease', ttl_ms: 1000 })],
    [['job'], at('job', { op: 'release', token: 1 })],
    [['job'], at('job', { op: 'delete' })],
    [['none'], at('none', { op: 'set', value: 1 })],
    [['none'], at('none', { op: 'release', token: 1 })],
    [['none'], at('none', { op: 'delete' })],
  ];
  for (const [fields, op] of tries) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { response } = await write(eve, op);
    const told = [...(response['fields'] as string[])].toSorted();
    expect([op, response['reason'], told]).toEqual([op, 'forbidden_field', fields.toSorted()]);
  }
  expect(await stored(made)).toMatchObject(ada);
});

test('R227 no write above an object adds what would be hidden of it, nor tells by that whether it is there', async () => {
  const made = await site();
  const ann = await made.joined({ token: 'ann' });
  const emptied = [
    { op: 'delete', path: 'people/eve' },
    aboveEve({ name: 'E', email: 'forged@x' }),
  ];
  const refused = [await write(ann, aboveEve({ email: 'forged@x' })), await transact(ann, emptied)];
  for (const { response } of refused) {
    expect(response).toEqual({ reason: 'forbidden_field', fields: [] });
  }
  expect(await write(ann, aboveEve({ name: 'Eva' }))).toMatchObject({ status: 'ok' });
  expect((await http(made, 'GET', 'entries/people/eve')).json['value']).toEqual({ name: 'Eva' });
});

test.each(['first', 'last'])(
  'R214 R219 of an object of two records nobody sees what one of them hides, though the other, declared %s, shows it',
  async (when) => {
    const made = await world({
      authenticate: async ({ token }) => (token === 'dev' ? everything : person(token)),
    });
    const Any = record({
      name: 'any',
      store: 'demo/:store',
      path: ':kind/:id',
      version: '1.0',
      schema: passthrough<object>(),
      visibility: { '*': ({ principal }) => principal.subject !== 'bob' },
    });
    if (when === 'first') made.server.record(Any);
    const members = made.server.record(Member);
    if (when === 'last') made.server.record(Any);
    await members.write({ id: 'ada' }, { set: ada });
    const seenBy = async (token: string): Promise<unknown> => {
      const { json } = await http(made, 'GET', 'entries/people/ada', { token });
      return json['value'];
    };
    expect(await seenBy('eve')).toEqual({ name: 'Ada' });
    expect(await seenBy('ada')).toEqual(ada);
    expect(await seenBy('bob')).toBeUndefined();
    const eve = await made.joined({ token: 'eve' });
    expect(JSON.stringify(eve.heard)).toContain('Ada');
    expect(JSON.stringify(eve.heard)).not.toContain('a@x');
    const { response } = await write(eve, at('email', { op: 'set', value: 'e@x' }));
    expect(response).toEqual({ reason: 'forbidden_field', fields: ['email'] });
  },
);

test('R228 no store is cloned of which records may hide something', async () => {
  const made = await site();
  const clone = (token: string, name: string) =>
    http(made, 'POST', 'clone', { token, body: { name } });
  expect((await clone('eve', 'copy')).status).toBe(403);
  expect((await clone('dev', 'copy')).status).toBe(201);
});

test('R228 an explanation tells nothing of what is hidden, over HTTP and a channel', async () => {
  const made = await site();
  const dev = await made.joined();
  await write(dev, { op: 'lease', path: 'people/ada/job', ttl_ms: 60_000 });
  const eve = await made.joined({ token: 'eve', device: 'd2' });
  const why = async (path: string, op: string): Promise<readonly unknown[]> => {
    const query = new URLSearchParams({ path, op });
    const { json } = await http(made, 'GET', `explain?${query}`, { token: 'eve' });
    const { response } = await eve.ask(topic, 'explain', { path, op });
    expect(response).toEqual(json);
    expect(JSON.stringify(json)).not.toContain('expires_at');
    const checks = json['checks'] as { readonly ok: boolean | null; readonly reason?: string }[];
    return [json['allowed'], checks.find(({ ok }) => ok === false)?.reason];
  };
  expect(await why('people/ada/email', 'read')).toEqual([false, 'path_not_allowed']);
  expect(await why('people/ada/none', 'read')).toEqual([false, 'path_not_allowed']);
  expect(await why('people/ada/job', 'set')).toEqual([false, 'forbidden_field']);
  expect(await why('people/ada', 'set')).toEqual([true, undefined]);
  expect(await why('people/ada/name', 'set')).toEqual([true, undefined]);
});

test('R228 an explanation tells who reads no entries nothing of what records hide there, but what a write would be told', async () => {
  const made = await site({ scopes: ['stores:read', 'entries:write'] });
  const rulesOf = async (path: string, op: string): Promise<unknown> => {
    const query = new URLSearchParams({ path, op });
    const { json } = await http(made, 'GET', `explain?${query}`, { token: 'eve' });
    const checks = json['checks'] as { readonly check: string; readonly ok: boolean | null }[];
    return checks.find(({ check }) => check === 'rules')?.ok;
  };
  expect(await rulesOf('people/ada/email', 'read')).toBe(null);
  expect(await rulesOf('people/ada/name', 'read')).toBe(null);
  // What a write would be refused with can be tried.
  expect(await rulesOf('people/ada/email', 'set')).toBe(false);
});

test('R227 what code of the server writes for somebody changes nothing that is hidden or not theirs', async () => {
  const { members } = await site();
  const writeAs = async (principal: object, patch: object): Promise<unknown> => {
    const ctx = { principal: { subject: 'eve', ...principal }, now: 0 };
    const written = members.write({ id: 'ada' }, { patch }, { ctx });
    return written.then(
      () => 'ok',
      (error: { readonly code?: string; readonly name: string }) => error.code ?? error.name,
    );
  };
  const file = {
    _type: 'file',
    hash: `sha256:${'0'.repeat(64)}`,
    size: 1,
    content_type: 'text/plain',
    filename: 'a',
    uploaded_at: '2026-01-01T00:00:00.000Z',
  };
  expect(await writeAs({}, { email: 'e@x' })).toBe('forbidden_field');
  expect(await writeAs({}, { name: file })).toBe('unknown_file');
  const ofServer = members.write({ id: 'ada' }, { patch: { name: file as never } });
  await expect(ofServer).rejects.toMatchObject({ code: 'unknown_file' });
  const pathRules = [{ pattern: 'elsewhere/**', allow: ['read', 'write'] }];
  expect(await writeAs({ pathRules }, { name: 'x' })).toBe('path_not_allowed');
  expect(await writeAs({ pathRules: 'all' }, { name: 'x' })).toBe('TypeError');
  expect(await writeAs({ scopes: ['of the app'] }, { name: 'Countess' })).toBe('ok');
  expect(await writeAs({ subject: 'ada' }, { email: 'new@x' })).toBe('ok');
});

test('R227 neither a condition on a file nor its removal tells whether something hidden is there', async () => {
  const made = await site({ scopes: ['entries:read', 'entries:write', 'files:write'] });
  const ask = async (path: string, method: string, condition: object): Promise<unknown> => {
    const body = method === 'PUT' ? { body: 'x' } : {};
    const headers = { authorization: 'Bearer eve', 'content-type': 'text/plain', ...condition };
    const answer = await fetch(`${made.url}/api/stores/demo/main/files/people/${path}`, {
      method,
      headers,
      ...body,
    });
    return { ...((await answer.json()) as object), path: null, fields: null };
  };
  const conditions = [{}, { 'if-none-match': '*' }, { 'if-match': '*' }, { 'if-match': '"2"' }];
  for (const method of ['PUT', 'DELETE']) {
    for (const condition of method === 'PUT' ? conditions : [{}]) {
      const there = await ask('ada/email', method, condition);
      expect(there).toMatchObject({ error: 'forbidden' });
      expect(await ask('ada/phone', method, condition)).toEqual(there);
    }
  }
});
