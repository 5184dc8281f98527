import { App, calm, complaints, open, type Page } from './page.tsx';
import { type Link, type Store, webSocketLink } from '@holdfast/client';
import { presence } from '@holdfast/protocol';
import {
  forbidWrites,
  type HookState,
  useEntriesState,
  useEntry,
  useEntryState,
  usePresence,
  useStore,
  useStoreState,
} from '@holdfast/react';
import * as React from 'react';
import type { ComponentType, ReactElement, ReactNode } from 'react';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { until } from './clock.ts';
import { openWorld, type Seat, type World } from './world.ts';

let world: World;
let seat: Seat;

beforeEach(async () => {
  world = await openWorld();
  seat = world.seat();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const app = (children: ReactElement, client = seat.client): ReactElement => (
  <App client={client} store="acme/app">
    {children}
  </App>
);

function Value({ path }: { readonly path: string }): ReactElement {
  return <i>{`${path}=${String(useEntry(path))}`}</i>;
}

function State({
  path,
  seen = [],
}: {
  readonly path: string;
  readonly seen?: unknown[];
}): ReactElement {
  const state = useEntryState<number>(path);
  seen.push(state);
  return <i>{textOf(state)}</i>;
}

function textOf(state: HookState<number | undefined>): string {
  switch (state.status) {
    case 'idle':
      return 'idle';
    case 'loading':
      return `loading after ${String(state.previous)}`;
    case 'ready':
      return `ready ${String(state.value)}${state.refreshing ? ' refreshing' : ''}`;
    case 'failed':
      return `failed ${code(state.error)}`;
  }
}

const code = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error
    ? String(error.code)
    : String(error);

const cursor = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => ({ value: value as { readonly x: number } }),
  },
};
const Cursors = presence<{ readonly x: number }>({
  name: 'cursors',
  store: 'acme/app',
  topic: 'rooms/:id',
  schema: cursor,
});

function Cursor({ x, id = '1' }: { readonly x: number; readonly id?: string }): ReactElement {
  const { peers, set } = usePresence(Cursors, { id });
  React.useEffect(() => set({ x }), [set, x]);
  const shown = [...peers.values()].map(({ value, self }) => `${value.x}${self ? '!' : ''}`);
  return <i>{shown.toSorted().join(' ')}</i>;
}

/** What was drawn of rooms: whom each shows. */
const drawn: string[] = [];

function Room({ id }: { readonly id: string }): ReactElement {
  const { peers } = usePresence(Cursors, { id });
  drawn.push(`${id}:${[...peers.values()].map(({ value }) => value.x).join()}`);
  return <i>{peers.size}</i>;
}

/** Boundaries of React 19 that hide what is in them. */
const Activity = Reflect.get(React, 'Activity') as
  | ComponentType<{ mode: 'visible' | 'hidden'; children: ReactNode }>
  | undefined;

function hidden(isHidden: boolean): ReactElement {
  if (Activity === undefined) return <i />;
  return app(
    <Activity mode={isHidden ? 'hidden' : 'visible'}>
      <Value path="a" />
    </Activity>,
  );
}

function List(): ReactElement {
  const state = useEntriesState<number>('rows/*', { order: 'desc' });
  return <i>{state.status === 'ready' ? state.value.map(({ value }) => value).join() : ''}</i>;
}

function Writing({ isNow }: { readonly isNow: boolean }): ReactElement {
  const store = useStore();
  if (isNow) store.increment('n');
  React.useEffect(() => void store.put('a', 1), [store]);
  return <i>{String(useEntry('a'))}</i>;
}

function narrow(state: HookState<number>): number | undefined {
  if (state.status === 'ready') return state.value;
  expectTypeOf<typeof state>().not.toHaveProperty('value');
  if (state.status === 'failed') expectTypeOf(state.error).toEqualTypeOf<Error>();
  return state.status === 'loading' ? state.previous : undefined;
}

it('a write before anything was ever drawn is none while a page is drawn', () => {
  forbidWrites(seat.client);
  const store = seat.client.store('acme/app');
  store.put('a', 1);
  expect(store.get('a')).toBe(1);
});

describe.each([{ isStrict: false }, { isStrict: true }])('life, strict: $isStrict', (mode) => {
  const draw = (element: ReactElement): Page => open(element, mode.isStrict);

  it('a hook that does not suspend says how it is, and keeps what it showed last (G73 G78)', async () => {
    const other = await world.other();
    await other.put('a', 1).committed;
    const page = draw(app(<State path="a" />));
    await page.shows('loading after undefined');
    await page.shows('ready 1');
    await other.put('a', 2).committed;
    await page.shows('ready 2');
    seat.wire.hold();
    page.draw(app(<State path="b" />));
    await page.shows('loading after 2');
    seat.wire.letIn();
    await page.shows('ready undefined');
    page.unmount();
  });

  it('what a hook says is the same object while nothing in it changes, though the connection is another', async () => {
    const seen: unknown[] = [];
    const page = draw(app(<State path="a" seen={seen} />));
    await page.shows('ready undefined');
    await calm();
    const before = seen.at(-1);
    page.draw(app(<State path="a" seen={seen} />));
    await calm();
    expect(seen.at(-1)).toBe(before);
    seat.wire.cut();
    await page.shows('ready undefined refreshing');
    await page.shows('ready undefined');
    page.unmount();
  });

  it('what is shown by a client that is refused says why it may be behind', async () => {
    let refuse: (() => void) | undefined;
    const link: Link = {
      open: (url, events) => {
        let isRefused = false;
        const closed = (why: number): void => events.closed(isRefused ? 4001 : why);
        const line = webSocketLink().open(url, { ...events, closed });
        refuse = () => {
          isRefused = true;
          line.close();
        };
        return line;
      },
    };
    const seen: HookState<unknown>[] = [];
    const page = draw(app(<State path="a" seen={seen} />, world.seat({ link }).client));
    await page.shows('ready undefined');
    refuse?.();
    await page.shows('ready undefined refreshing');
    await until(() => 'error' in (seen.at(-1) ?? {}));
    expect(seen.at(-1)).toMatchObject({ status: 'ready', error: { code: 'unauthorized' } });
    page.unmount();
  });

  it('G75 G103 what failed is a state, too, that can be tried again', async () => {
    const retries: (() => void)[] = [];
    const attempts = new Set<number>();
    function Named(): ReactElement {
      const state = useStoreState('acme/none');
      if (state.status === 'failed') retries.push(state.retry);
      if (state.status === 'loading') attempts.add(state.attempt);
      return <i>{state.status === 'failed' ? `failed ${code(state.error)}` : state.status}</i>;
    }
    const page = draw(app(<Named />));
    await page.shows('failed unauthorized');
    await world.server.stores.create('acme/none');
    retries.at(-1)?.();
    await page.shows('ready');
    expect([...attempts]).toEqual([1, 2]);
    page.unmount();
  });

  it('what cannot be shown is a state, too: no hook of those throws', async () => {
    const part = seat.client.store('acme/app', { scope: ['a/**'] });
    function Wrong(): ReactElement {
      const states = [
        useEntryState('a//b'),
        useEntriesState('a/**/b'),
        useEntriesState('a/*', { limit: 0 }),
        useEntriesState('b/*', { store: part }),
        useStoreState('none'),
      ];
      return (
        <i>{states.map((each) => (each.status === 'failed' ? code(each.error) : '')).join()}</i>
      );
    }
    const page = draw(app(<Wrong />));
    await until(() => /^[^,]+(,[^,]+){4}$/.test(page.text()), page.text);
    expect(page.text()).toMatch(
      /^empty_segment,invalid_pattern,RangeError: .*,out_of_scope,TypeError: .*$/,
    );
    page.unmount();
    part.close();
  });

  it('a list that does not suspend', async () => {
    const other = await world.other();
    await other.put('rows', { a: 1, b: 2 }).committed;
    const page = draw(app(<List />));
    await page.shows('2,1');
    page.unmount();
  });

  it('G96 G105 what is closed by force under those who show it is loaded anew, and shown as it is by then', async () => {
    const given = seat.client.store('acme/app');
    await given.ready;
    function Given({ store }: { readonly store: typeof given }): ReactElement {
      return <i>{String(useEntry('a', { store }))}</i>;
    }
    const page = draw(app(<Given store={given} />));
    await page.shows('undefined');
    const next = world.seat().client.store('acme/more');
    await next.put('a', 'another').committed;
    page.draw(app(<Given store={next} />));
    await page.shows('another');
    given.close();
    await next.put('a', 'changed').committed;
    await page.shows('changed');
    page.unmount();
  });

  it('G105 a store that a component has closed is there again for all who show it', async () => {
    const stores = new Set<Store>();
    function Closing(): ReactElement {
      const store = useStore();
      stores.add(store);
      return (
        <button onClick={() => store.close()}>{JSON.stringify(store.get('a') ?? null)}</button>
      );
    }
    const page = draw(app(<Closing />));
    await page.shows('null');
    await calm();
    page.element.querySelector('button')?.click();
    await until(() => stores.size === 2);
    await page.shows('null');
    expect(seat.wire.count('phx_join', 'store:')).toBe(1);
    page.unmount();
  });

  if (Activity !== undefined) {
    it('G109 what is hidden is let go of after a while, and is there again without another join before that', async () => {
      const joins = (): number => seat.wire.count('phx_join', 'store:');
      const page = draw(hidden(false));
      await until(() => page.element.textContent === 'a=undefined');
      page.draw(hidden(true));
      await calm();
      await seat.pass(30_000);
      page.draw(hidden(false));
      await calm();
      await seat.pass(60_001);
      expect([joins(), seat.wire.count('phx_leave', 'store:')]).toEqual([1, 0]);
      page.draw(hidden(true));
      const left = async (): Promise<number> => {
        await seat.pass(5001);
        await seat.pass(60_001);
        return seat.wire.count('phx_leave', 'store:');
      };
      await expect.poll(left).toBe(1);
      const other = await world.other();
      await other.put('a', 1).committed;
      page.draw(hidden(false));
      await until(() => page.element.textContent === 'a=1');
      expect(joins()).toBe(2);
      page.unmount();
    });
  }

  it('G110 two clients see each other, each component of one shares its topic, and the last to go leaves it', async () => {
    const next = world.seat();
    const [one, two] = [draw(app(<Cursor x={1} />)), draw(app(<Cursor x={2} />, next.client))];
    await one.shows('1! 2');
    await two.shows('1 2!');
    one.draw(app(<Cursor x={3} />));
    await two.shows('2! 3');
    expect(seat.wire.count('phx_join', 'presence:')).toBe(1);
    one.draw(app(<Cursor x={3} id="2" />));
    await two.shows('2!');
    await one.shows('3!');
    one.unmount();
    await until(() => seat.wire.count('phx_leave', 'presence:') === 2);
    two.unmount();
  });

  it('who was in one room is not shown in the next, not even at first', async () => {
    const other = draw(app(<Cursor x={1} />, world.seat().client));
    const page = draw(app(<Room id="1" />));
    await page.shows('1');
    drawn.length = 0;
    page.draw(app(<Room id="2" />));
    await page.shows('0');
    expect(drawn.filter((each) => each !== '2:')).toEqual([]);
    for (const each of [page, other]) each.unmount();
  });

  it.each([
    ['of a client in development, below a provider', { dev: true }],
    ['where writes were forbidden', {}],
  ])(
    'a write while a page is drawn throws %s, and one in an effect does not',
    async (_where, env) => {
      const { client } = world.seat({ env });
      if (!('dev' in env)) forbidWrites(client);
      const page = draw(app(<Writing isNow={false} />, client));
      await page.shows('1');
      page.draw(app(<Writing isNow />, client));
      await until(
        () => page.text().includes('TypeError: A write while a component is drawn'),
        page.text,
      );
      expect(client.store('acme/app').get('n')).toBe(undefined);
      client.store('acme/app').put('a', 2);
      const lenient = draw(app(<Writing isNow />));
      await lenient.shows('1');
      for (const each of [page, lenient]) each.unmount();
    },
  );

  it('G97 what a hook says narrows by its status', () => {
    expect(narrow({ status: 'ready', value: 1, refreshing: false })).toBe(1);
    expectTypeOf(useEntry<number>).returns.toEqualTypeOf<number | undefined>();
  });
});
