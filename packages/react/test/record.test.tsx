import { App, calm, complaints, open, type Page } from './page.tsx';
import type { Client } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { app as appOf } from '@holdfast/server';
import { collection, record, type StandardSchema } from '@holdfast/protocol';
import {
  createHoldfast,
  useAll,
  useCollection,
  useCollectionState,
  useOne,
  useRecord,
  useRecordState,
} from '@holdfast/react';
import { type ReactElement, startTransition } from 'react';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { until } from './clock.ts';
import { openWorld, type Seat, type World } from './world.ts';

type Shape = { readonly name: string; readonly age?: number };

const schema: StandardSchema<Shape, Shape> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (value as { name?: unknown }).name === 'string'
        ? { value: value as Shape }
        : { issues: [{ message: 'no user', path: ['name'] }] },
  },
};

const User = record({ name: 'user', store: 'acme/app', path: 'users/:id', version: '1.0', schema });

let world: World;
let seat: Seat;
let drawn: string[];

beforeEach(async () => {
  world = await openWorld();
  seat = world.seat({ records: records([User]) });
  drawn = [];
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const app = (children: ReactElement): ReactElement => <App client={seat.client}>{children}</App>;

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : error;

type View = ReturnType<typeof useRecord<typeof User>>;

function Person({
  id,
  views = [],
}: {
  readonly id: string | null;
  readonly views?: View[];
}): ReactElement {
  const view = useRecord(User, id === null ? null : { id });
  views.push(view);
  drawn.push(`${String(id)} ${JSON.stringify(view.value)}`);
  return <i>{`${JSON.stringify(view.value)} `}</i>;
}

function State({ id }: { readonly id: string | null }): ReactElement {
  const state = useRecordState(User, id === null ? null : { id });
  const text = state.status === 'ready' ? JSON.stringify(state.value.value ?? null) : state.status;
  return <i>{text}</i>;
}

const byName = collection(User, { orderBy: [['name', 'asc']], limit: 2 });

function Names({ isNone = false }: { readonly isNone?: boolean }): ReactElement {
  const { values, hasMore, loadMore, rows, row } = useCollection(isNone ? null : byName);
  const first = row(rows[0]?.key ?? '');
  drawn.push(values.map(({ name }) => name).join());
  expectTypeOf(values).toEqualTypeOf<readonly Shape[]>();
  return (
    <>
      <button onClick={() => void loadMore()}>{hasMore ? 'more' : 'all'}</button>
      <button onClick={() => first?.patch({ name: 'zoe' })}> </button>
      <i>{values.map(({ name }) => name).join()}</i>
    </>
  );
}

/** Of the collection before, until there is another. */
function NamesFrom({ from }: { readonly from: string }): ReactElement {
  const state = useCollectionState(collection(User, { where: { name: { gte: from } } }));
  const { values = [] } =
    (state.status === 'ready' ? state.value : 'previous' in state && state.previous) || {};
  drawn.push(values.map(({ name }) => name).join());
  return <i>{values.map(({ name }) => name).join()}</i>;
}

function NamesState(): ReactElement {
  const state = useCollectionState('user', { limit: 1 });
  const why = state.status === 'failed' ? state.error.code : state.status;
  const one = useOne(collection(User, { orderBy: [['name', 'desc']] }));
  return (
    <i>{state.status === 'ready' ? `${state.value.rows.length} ${String(one?.name)}` : why}</i>
  );
}

/** Of no collection, and by the client that it is given. */
function First({
  of,
  client,
}: {
  readonly of: Parameters<typeof useOne<typeof User>>[0];
  client: Client;
}): ReactElement {
  const one = useOne(of, { client });
  const two = useCollection('user', { limit: 2 }, { client });
  const none = useCollection('user', null, { client });
  return <i>{`${String(one?.name)} ${two.rows.length} ${none.status}`}</i>;
}

function Mixed(): ReactElement {
  const { a, all } = useAll({ a: User.ref({ id: '1' }), all: byName });
  return <i>{`${String(a.value?.name)} of ${all.values.length}`}</i>;
}

function Both(): ReactElement {
  const { a, b } = useAll({ a: User.ref({ id: '1' }), b: User.ref({ id: '2' }) });
  expectTypeOf(a.value).toEqualTypeOf<Shape | undefined>();
  return <i>{`${String(a.value?.name)} ${String(b.value?.name)}`}</i>;
}

function Wrong(): ReactElement {
  const states = [
    useRecordState(User, { id: '' }),
    useRecordState('nobody', { id: '1' }),
    useCollectionState('user', { limit: 0 }),
  ];
  const codes = states.map((each) => (each.status === 'failed' ? codeOf(each.error) : each.status));
  return <i>{codes.join()}</i>;
}

const acme = appOf({ records: [User] });

const { useRecord: useAcmeRecord } = createHoldfast<typeof acme>();

function Typed(): ReactElement {
  const { value } = useAcmeRecord('user', { id: '1' });
  expectTypeOf(value).toEqualTypeOf<Shape | undefined>();
  // @ts-expect-error -- the app has no such record
  const wrong = (): unknown => useAcmeRecord('nobody', { id: '1' });
  return <i>{`${String(value?.name)} ${typeof wrong}`}</i>;
}

describe.each([{ isStrict: false }, { isStrict: true }])('records, strict: $isStrict', (mode) => {
  const draw = (element: ReactElement): Page => open(element, mode.isStrict);
  const times = mode.isStrict ? 2 : 1;

  it('the first of a collection is asked for alone, of none there is none, and a client of their own needs no provider', async () => {
    const other = await world.other();
    for (const name of ['ada', 'bob', 'cyd']) other.put(`users/${name}`, { name });
    await other.settled();
    const { client, wire } = seat;
    const page = draw(<First of={byName} client={client} />);
    await page.shows('ada 2 idle');
    expect(wire.count('query_open', '', '"limit":1')).toBe(1);
    page.draw(<First of={null} client={client} />);
    await page.shows('undefined 2 idle');
    page.unmount();
  });

  it('G98 a record by its id: what anybody writes is drawn, and what is not there is undefined', async () => {
    const views: View[] = [];
    const page = draw(app(<Person id="1" views={views} />));
    await page.shows('…');
    await page.shows('undefined ');
    const settled = drawn.length;
    await calm();
    expect(drawn.length).toBe(settled);
    views.at(-1)?.set({ name: 'ada' });
    await page.shows('{"name":"ada"} ');
    const { set, patch } = views.at(-1) ?? {};
    await patch?.({ age: 36 }).committed;
    await page.shows('{"age":36,"name":"ada"} ');
    const other = await world.other();
    await other.put('users/1/name', 'ada lovelace').committed;
    await until(() => page.text().includes('lovelace'));
    expect(views.at(-1)?.set).toBe(set);
    const writes = seat.wire.count('write') + seat.wire.count('transact');
    set?.({ name: 'ada lovelace', age: 36 });
    patch?.({ age: 36 });
    await calm();
    expect(seat.wire.count('write') + seat.wire.count('transact')).toBe(writes);
    expectTypeOf<View['value']>().toEqualTypeOf<Shape | undefined>();
    page.unmount();
  });

  it('what was made here is drawn at once, also where nobody can say yet what there was', async () => {
    seat.wire.hold();
    const made = seat.client.record(User, { id: '1' });
    made.set({ name: 'ada' });
    const page = draw(
      app(
        <>
          <Person id="1" />
          <State id="1" />
        </>,
      ),
    );
    await page.shows('{"name":"ada"} {"name":"ada"}');
    expect(drawn.every((text) => text.endsWith('{"name":"ada"}'))).toBe(true);
    made.patch({ age: 36 });
    await seat.pass(40_000);
    seat.wire.letIn();
    await page.shows('{"age":36,"name":"ada"} {"age":36,"name":"ada"}');
    page.unmount();
  });

  it('G108 what a transition waits for may come to be without params: React finds no fault with that', async () => {
    seat.wire.hold();
    const page = draw(app(<b>here</b>));
    await page.shows('here');
    startTransition(() => page.draw(app(<Person id="1" />)));
    await until(() => seat.wire.count('phx_join') > 0);
    await calm();
    startTransition(() => page.draw(app(<Person id={null} />)));
    await page.shows('undefined ');
    seat.wire.letIn();
    page.unmount();
  });

  it('G108 without params nothing is loaded, and there is nothing to write to', async () => {
    const views: View[] = [];
    const page = draw(
      app(
        <>
          <Person id={null} views={views} />
          <State id={null} />
        </>,
      ),
    );
    await page.shows('undefined idle');
    expect(views.at(-1)?.status).toBe('idle');
    expect(() => views.at(-1)?.set({ name: 'nobody' })).toThrow(TypeError);
    expect(seat.wire.count('phx_join')).toBe(0);
    page.draw(
      app(
        <>
          <Person id="1" />
          <State id="1" />
        </>,
      ),
    );
    await page.shows('undefined null');
    page.unmount();
  });

  it('G104 what is shown stays, though what comes cannot be read, and then can', async () => {
    const other = await world.other();
    await other.put('users/1', { name: 'ada' }).committed;
    const views: View[] = [];
    const page = draw(app(<Person id="1" views={views} />));
    await page.shows('{"name":"ada"} ');
    await other.put('users/1/name', 5).committed;
    await until(() => views.at(-1)?.status !== 'ok');
    expect(page.text()).toBe('{"name":"ada"} ');
    await other.put('users/1/name', 'eve').committed;
    await until(() => {
      expect(page.text()).not.toContain('…');
      return page.text() === '{"name":"eve"} ' && views.at(-1)?.status === 'ok';
    });
    page.unmount();
  });

  it('what cannot be asked for is a state as well, and thrown by what suspends', async () => {
    const page = draw(app(<Wrong />));
    await page.shows('invalid_params,unknown_record,invalid_query');
    page.draw(app(<Person id="" />));
    await page.shows('failed: invalid_params');
    page.unmount();
  });

  it('G100 several records at once are asked for at once, and waited for once', async () => {
    const other = await world.other();
    await other.put('users', { 1: { name: 'ada' }, 2: { name: 'bob' } }).committed;
    await seat.client.store('acme/app', { scope: ['none'] }).ready;
    const before = seat.wire.count('scope');
    const page = draw(app(<Both />));
    await page.shows('ada bob');
    expect(seat.wire.count('scope') - before).toBe(1);
    expect(
      seat.wire.count('scope', '', 'users/1/**') * seat.wire.count('scope', '', 'users/2/**'),
    ).toBe(1);
    page.unmount();
  });

  it('G100 siblings that show records ask for them in one push', async () => {
    await seat.client.store('acme/app', { scope: ['none'] }).ready;
    const before = seat.wire.count('scope');
    const page = draw(
      app(
        <>
          {Array.from({ length: 10 }, (_, id) => (
            <State key={id} id={String(id)} />
          ))}
        </>,
      ),
    );
    await page.shows('null'.repeat(10));
    expect(seat.wire.count('scope') - before).toBe(1);
    page.unmount();
  });

  it('a collection shows its rows in their order, more when asked, and what is written to one of them', async () => {
    const other = await world.other();
    await other.put('users', { 1: { name: 'bob' }, 2: { name: 'ada' }, 3: { name: 'eve' } })
      .committed;
    const page = draw(app(<Names />));
    await page.shows('more ada,bob');
    const [more, rename] = page.element.querySelectorAll('button');
    more?.click();
    await page.shows('all ada,bob,eve');
    rename?.click();
    await page.shows('all bob,eve,zoe');
    // What the server says of it may draw it once more.
    await until(() => seat.client.status.get().pending === 0 && seat.wire.received.includes('zoe'));
    await calm();
    drawn.length = 0;
    await other.put('users/4', { name: 'cyd' }).committed;
    await until(() => page.text().includes('cyd'));
    await calm();
    expect(drawn.length / times).toBe(1);
    page.draw(app(<Names isNone />));
    await page.shows('all ');
    page.unmount();
  });

  it('R203 of specs that follow each other quickly the first is drawn until the last is there, and one between is given up', async () => {
    world.server.record(User);
    const other = await world.other();
    await other.put('users', { 1: { name: 'ada' }, 2: { name: 'bob' }, 3: { name: 'eve' } })
      .committed;
    const page = draw(app(<NamesFrom from="a" />));
    await page.shows('ada,bob,eve');
    drawn.length = 0;
    page.draw(app(<NamesFrom from="b" />));
    page.draw(app(<NamesFrom from="e" />));
    await page.shows('eve');
    expect(new Set(drawn)).toEqual(new Set(['ada,bob,eve', 'eve']));
    await until(() => seat.wire.count('query_open') - seat.wire.count('query_close') <= 2);
    page.unmount();
  });

  it('a collection by a name, its first row, and collections among several loads', async () => {
    const other = await world.other();
    await other.put('users', { 1: { name: 'bob' }, 2: { name: 'ada' } }).committed;
    const page = draw(
      app(
        <>
          <NamesState />
          <Mixed />
          <Typed />
        </>,
      ),
    );
    await page.shows('1 bobbob of 2bob function');
    page.unmount();
  });

  it('G90 one write of a record is drawn once for each state that it goes through, and no other record is', async () => {
    const other = await world.other();
    await other.put('users', { 1: { name: 'ada' }, 2: { name: 'bob' } }).committed;
    const page = draw(
      app(
        <>
          <Person id="1" />
          <Person id="2" />
        </>,
      ),
    );
    await page.shows('{"name":"ada"} {"name":"bob"} ');
    await calm();
    drawn.length = 0;
    await other.put('users/1/name', 'eve').committed;
    await page.shows('{"name":"eve"} {"name":"bob"} ');
    await calm();
    expect(drawn.length / times).toBe(1);
    page.unmount();
  });
});
