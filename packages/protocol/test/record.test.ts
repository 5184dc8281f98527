import {
  collection,
  type MutationInput,
  type Out,
  type Params,
  passthrough,
  record,
  type RecordDef,
  recordsByName,
  source,
  type StandardSchema,
  type RecordContext,
  type Stored,
} from '@holdfast/protocol';
import { passRecord, storedForm } from '@holdfast/protocol/record';
import { expect, expectTypeOf, test } from 'vitest';

type Validate = (value: unknown) => unknown;

const schemaOf = <Output, Input = Output>(validate: Validate): StandardSchema<Output, Input> =>
  ({ '~standard': { version: 1, vendor: 'test', validate } }) as never;

type UserValue = { readonly name: string; readonly age?: number };

const userSchema = schemaOf<UserValue>((value) => {
  const { name, age } = (value ?? {}) as { name?: unknown; age?: unknown };
  return typeof name === 'string' && (age === undefined || typeof age === 'number')
    ? { value: age === undefined ? { name } : { name, age } }
    : { issues: [{ message: 'bad name', path: ['name'] }] };
});

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  schema: userSchema,
  version: '3.1',
  migrate: { '2': (old) => ({ ...old, roles: [] }) },
  authority: { name: 'lww', age: (mine, theirs) => Math.max(mine ?? 0, theirs ?? 0) },
  visibility: { '*': () => true, age: (c) => c.principal.subject === c.params.id },
  mutations: {
    rename: {
      input: schemaOf<{ to: string }, { to: string }>((value) => ({ value })),
      apply: (current, input) => current && { ...current, name: input.to },
    },
  },
});

const sound = {
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  schema: userSchema,
  version: '1',
};
const made = (over: object): RecordDef => record({ ...sound, ...over });

test('a definition is frozen, says its types, and names one object by its parameters', () => {
  expect(Object.isFrozen(User)).toBe(true);
  expect(User.version).toBe('3.1');
  expect(made({ version: '3' }).version).toBe('3.0');
  expect(User.ref({ id: '7' })).toMatchObject({ store: 'acme/app', path: 'users/7' });
  expect(User.key({ id: '7' })).toBe('rec/acme/app/users/7');
  expect(User.match('users/7')).toEqual({ id: '7' });
  expect(User.match('users/7/name')).toBeNull();
  expect(User.match('users/a~1b', 'acme/app')).toEqual({ id: 'a/b' });
  expect(User.match('users/7', 'acme/other')).toBeNull();
  expectTypeOf<Params<typeof User>>().toEqualTypeOf<{ readonly id: string }>();
  expectTypeOf<Stored<typeof User>>().toEqualTypeOf<UserValue>();
  expectTypeOf<Out<typeof User>>().toEqualTypeOf<UserValue>();
  expectTypeOf<MutationInput<typeof User, 'rename'>>().toEqualTypeOf<{ to: string }>();
  expectTypeOf(User).toExtend<RecordDef>();
  expectTypeOf<RecordContext['principal']['tokenId']>().toEqualTypeOf<string | null | undefined>();
  // @ts-expect-error -- the path has the parameter "id"
  expect(() => User.key({ other: '7' })).toThrow('non-empty string');
  // @ts-expect-error -- no such mutation
  expectTypeOf<MutationInput<typeof User, 'rename'>>().toEqualTypeOf<
    MutationInput<typeof User, 'no'>
  >();
});

test('the indexes of a record are lists of its scalar fields, frozen', () => {
  const spec = { name: 'task', store: 'acme/app', path: 'tasks/:id', version: '*' } as const;
  const schema = passthrough<{
    readonly status: 'open' | 'done';
    readonly rank?: number | null;
    readonly at: Date;
    readonly tags: readonly string[];
    readonly by: { readonly name: string };
  }>();
  const { indexes } = record({ ...spec, schema, indexes: ['status', ['rank', 'at']] });
  expect(indexes).toEqual([['status'], ['rank', 'at']]);
  expect([indexes, ...indexes].every(Object.isFrozen)).toBe(true);
  expect(User.indexes).toEqual([]);
  // @ts-expect-error -- no such field
  record({ ...spec, schema, indexes: ['name'] });
  // @ts-expect-error -- no scalar
  record({ ...spec, schema, indexes: ['tags'] });
  // @ts-expect-error -- one of them is no scalar
  record({ ...spec, schema, indexes: [['status', 'by']] });
  // @ts-expect-error -- of no field
  expect(() => record({ ...spec, schema, indexes: [[]] })).toThrow(TypeError);
  for (const each of ['age', [''], [7], ['$or'], [[['age']]], {}, null]) {
    expect(() => made({ indexes: each })).toThrow(/"indexes" must be a list of fields/);
  }
});

test('what a mutation returns keeps its literals, and is held to the schema', () => {
  type State = 'open' | 'sent';
  type Line = { state: State; at: [string, number] };
  const schema = schemaOf<{ state: State; by?: string | undefined; lines: Line[] }>((value) => ({
    value,
  }));
  const spec = { name: 'order', store: 'acme/app', path: 'orders/:id', version: '1.0' } as const;
  const Order = record({
    ...spec,
    schema,
    mutations: {
      begin: { apply: () => ({ state: 'open', lines: [{ state: 'open', at: ['a', 1] }] }) },
      send: {
        input: schemaOf<{ by: string }>((value) => ({ value })),
        apply: (order, { by }) => order && { ...order, state: 'sent', by },
      },
      sendLines: {
        apply(order) {
          if (order === undefined) return undefined;
          return { ...order, lines: order.lines.map((line) => ({ ...line, state: 'sent' })) };
        },
      },
    },
  });
  expectTypeOf<Out<typeof Order>['state']>().toEqualTypeOf<State>();
  expectTypeOf<MutationInput<typeof Order, 'send'>>().toEqualTypeOf<{ by: string }>();
  record({
    ...spec,
    schema,
    // @ts-expect-error -- no such state
    mutations: { lose: { apply: (order) => order && { ...order, state: 'lost' } } },
  });
  // @ts-expect-error -- there are no lines
  record({ ...spec, schema, mutations: { begin: { apply: () => ({ state: 'open' }) } } });
});

test('a store may have parameters, too', () => {
  const Post = record({
    name: 'post',
    store: ':org/blog',
    path: 'posts/:id',
    schema: passthrough<{ title: string }>(),
    version: '*',
  });
  expectTypeOf<Params<typeof Post>>().toEqualTypeOf<{
    readonly org: string;
    readonly id: string;
  }>();
  expect(Post.key({ org: 'acme', id: '1' })).toBe('rec/acme/blog/posts/1');
  expect(Post.match('posts/1', 'acme/blog')).toEqual({ org: 'acme', id: '1' });
  expect(() => Post.key({ org: 'No Org', id: '1' })).toThrow('invalid_params');
  expect(() => Post.key({ org: 'a/b', id: '1' })).toThrow('invalid_params');
});

test.each(['name', 'store', 'path'])('R94 an empty or undefined %s is refused in words', (what) => {
  for (const text of ['', undefined, 7]) {
    expect(() => made({ [what]: text })).toThrow('non-empty string');
    expect(() => made({ [what]: text })).toThrow(TypeError);
  }
});

test('R94 an empty or undefined parameter is refused in words, with invalid_params', () => {
  for (const id of ['', undefined, 7, null]) {
    expect(() => User.ref({ id } as never)).toThrow('non-empty string');
    expect(() => User.ref({ id } as never)).toThrow(
      expect.objectContaining({ code: 'invalid_params' }),
    );
  }
});

test.each([
  [{ name: 'User' }],
  [{ name: `a${'b'.repeat(64)}` }],
  [{ store: 'acme' }],
  [{ store: ':org/:org' }],
  [{ path: 'users/:id/:id' }],
  [{ path: 'users//x' }],
  [{ store: ':id/app' }],
  [{ version: 'one' }],
  [{ version: undefined }],
  [{ version: '*' }],
  [{ stored: 'both' }],
  [{ conflict: 'maybe' }],
  [{ mutations: { rename: {} } }],
  [{ mutations: { rename: { apply: () => undefined, input: {} } } }],
  [{ migrate: { '2': 1 } }],
  [{ migrate: { '2.1': () => undefined } }],
  [{ visibility: { name: true } }],
  [{ params: {} }],
])('what cannot be a definition is a TypeError: %j', (over) => {
  expect(() => made(over)).toThrow(TypeError);
});

test('an authority that is no rule is refused with both words', () => {
  expect(() => made({ authority: { name: 'mine' } })).toThrow(/"server".*"lww"/);
});

test('R95 a schema without validate is refused by name; an asynchronous one at definition', async () => {
  expect(() => made({ schema: undefined })).toThrow(/schema/);
  expect(() => made({ schema: { '~standard': {} } })).toThrow(/schema/);
  // The promise it answers with rejects, and nobody hears of it.
  const late = schemaOf<UserValue>(() => Promise.reject(new Error('late')));
  expect(() => made({ schema: late })).toThrow(expect.objectContaining({ code: 'async_schema' }));
  const throwing = made({
    schema: schemaOf(() => {
      throw new Error('no');
    }),
  });
  expect(throwing.name).toBe('user');
  await Promise.resolve();
});

test('R95 a schema that is asynchronous now and then has failed the gate then', async () => {
  const moody = made({
    schema: schemaOf((value) =>
      value === undefined ? { issues: [] } : Promise.reject(new Error('later')),
    ),
  });
  expect(passRecord(moody, { name: 'ada' })).toMatchObject({ issue: 'the schema is asynchronous' });
  await Promise.resolve();
});

test.each(['a/b', '*', '..', '~', '~1', '**', ' ', 'ü'.repeat(127)])(
  'R97 the parameter %j addresses exactly one segment',
  (id) => {
    const { path } = User.ref({ id });
    expect(path.split('/')).toHaveLength(2);
    expect(User.match(path)).toEqual({ id });
  },
);

test.each(['a\u0000', '\n', 'ü'.repeat(128), '\uD800'])('R97 %j is no parameter', (id) => {
  expect(() => User.ref({ id })).toThrow(expect.objectContaining({ code: 'invalid_params' }));
});

test('a key has 512 bytes at most', () => {
  const Pair = record({
    name: 'pair',
    store: 'acme/app',
    path: 'p/:one/:two',
    version: '*',
    schema: passthrough<object>(),
  });
  const bytes = (two: number) => Pair.key({ one: 'x'.repeat(255), two: 'y'.repeat(two) });
  const own = 'rec/acme/app/p//'.length + 255;
  expect(bytes(512 - own)).toHaveLength(512);
  const refused = expect.objectContaining({ code: 'invalid_params', details: { limit: 512 } });
  expect(() => bytes(513 - own)).toThrow(refused);
  const Sum = source({
    name: 'sum',
    params: passthrough<{ a: string }>(),
    schema: passthrough<object>(),
    version: '1',
  });
  expect(() => Sum.key({ a: 'x'.repeat(512) })).toThrow(refused);
});

test('the schema of the parameters has its say', () => {
  const digits = schemaOf<{ id: string }>((value) =>
    /^\d+$/.test((value as { id: string }).id ?? '')
      ? { value }
      : { issues: [{ message: 'digits' }] },
  );
  const Numbered = made({ params: digits });
  expect(Numbered.key({ id: '12' })).toContain('users/12');
  expect(() => Numbered.key({ id: 'x' })).toThrow('digits');
});

test('R98 two definitions of one name or one place are refused; nested ones are not', () => {
  const Settings = made({ name: 'settings', path: 'users/:id/settings' });
  expect([...recordsByName([User, Settings]).keys()]).toEqual(['user', 'settings']);
  expect(() => recordsByName([User, made({ path: 'people/:id' })])).toThrow(TypeError);
  expect(() => recordsByName([User, made({ name: 'person', path: 'users/:key' })])).toThrow(
    TypeError,
  );
  expect(recordsByName([User, User]).size).toBe(1);
  expect(() => recordsByName([{} as never])).toThrow(TypeError);
});

test('the stored form is what comes out of the schema, or what goes in; an object too large is refused', () => {
  expect(storedForm(User, { name: 'ada', more: 1 }).stored).toEqual({ name: 'ada' });
  expect(() => storedForm(User, { name: 7 })).toThrow(
    expect.objectContaining({
      code: 'invalid_value',
      details: { record: 'user', issues: [{ message: 'bad name', path: ['name'] }] },
    }),
  );
  expect(() => storedForm(User, { name: 'x'.repeat(300_000) })).toThrow(
    expect.objectContaining({ code: 'value_too_large' }),
  );
});

test('R102 a schema that transforms is not stable as output, and works as input', () => {
  const numeric = schemaOf<{ n: number }, { n: string }>((value) => {
    const n = (value as { n?: unknown } | undefined)?.n;
    return typeof n === 'string'
      ? { value: { n: Number(n) } }
      : { issues: [{ message: 'no text' }] };
  });
  const Out = made({ schema: numeric });
  expect(() => storedForm(Out, { n: '5' })).toThrow("schema is not stable; use stored:'input'");
  const In = record({ ...sound, schema: numeric, stored: 'input' });
  expectTypeOf<Stored<typeof In>>().toEqualTypeOf<{ n: string }>();
  expect(storedForm(In, { n: '5' })).toEqual({ stored: { n: '5' }, shown: { n: 5 } });
});

const queried = (spec: unknown): unknown => collection(User, spec as never);

test('R169 a collection with a bad spec is refused: what is wrong is named', () => {
  const query = expect.objectContaining({ code: 'invalid_query' });
  for (const spec of [
    { limit: 0 },
    { limit: 1001 },
    { limit: 1.5 },
    { more: 1 },
    { orderBy: [['name']] },
    { orderBy: [['name', 'up']] },
    { where: [] },
    { where: { name: { like: 'x' } } },
    { where: { name: [] } },
    { where: { $nor: [] } },
    { where: { $or: {} } },
    { where: { age: NaN } },
    { where: { age: { in: Array.from({ length: 1001 }, () => 1) } } },
    { where: { $and: Array.from({ length: 64 }, () => ({ age: 1 })) } },
  ]) {
    expect(() => queried(spec), JSON.stringify(spec)).toThrow(query);
  }
  let deep: object = { age: 1 };
  for (let i = 0; i < 7; i++) deep = { $not: deep };
  expect(() => queried({ where: { $not: deep } })).toThrow(query);
  // As much as there may be is not too much.
  for (const spec of [
    { limit: 1 },
    { limit: 1000 },
    { where: deep },
    { where: { age: { in: Array.from({ length: 1000 }, () => 1) } } },
    { where: { $and: Array.from({ length: 63 }, () => ({ age: 1 })) } },
    { orderBy: Array.from({ length: 64 }, () => ['age', 'desc']) },
  ]) {
    expect(() => queried(spec), JSON.stringify(spec)).not.toThrow();
  }
  expect(() => queried({ after: 7 })).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
  expect(() => queried({ params: { no: 'x' } })).toThrow(
    expect.objectContaining({ code: 'invalid_params' }),
  );
});

test('R170 a collection needs a gated record', () => {
  expect(() => collection({} as never)).toThrow(TypeError);
  expect(() => collection(undefined as never)).toThrow(TypeError);
});

test('R204 equal specs have one key, whatever their objects', () => {
  const one = collection(User, { where: { name: 'a', age: { gte: 18 } }, orderBy: 'name' });
  const two = collection(User, {
    orderBy: [['name', 'asc']],
    where: { age: { gte: 18 }, name: 'a' },
  });
  expect(one.key).toBe(two.key);
  expect(one.query.limit).toBe(100);
  expect(collection(User, { limit: 5 }).key).not.toBe(collection(User).key);
  // @ts-expect-error -- no field of that name
  collection(User, { where: { nam: 'a' } });
  // @ts-expect-error -- a name is a text
  collection(User, { where: { name: 7 } });
});

test('a source is declared with its schemas, and keyed by its parameters', () => {
  const Rates = source({
    name: 'rates',
    params: schemaOf<{ currency: string }>((value) =>
      typeof (value as { currency?: unknown } | undefined)?.currency === 'string'
        ? { value }
        : { issues: [{ message: 'currency' }] },
    ),
    schema: passthrough<{ rate: number }>(),
    version: '1',
  });
  expect(Rates.key({ currency: 'EUR' })).toBe('src/rates/{"currency":"EUR"}');
  expect(() => Rates.key({} as never)).toThrow(expect.objectContaining({ code: 'invalid_params' }));
  expect(() => source({ ...Rates, name: '' })).toThrow('non-empty string');
  expect(() => source({ ...Rates, schema: {} as never })).toThrow(TypeError);
  expect(() => source({ ...Rates, version: 'x' })).toThrow(TypeError);
});
