import { Boundary, calm, complaints, open, type Page, Waiting } from './page.tsx';
import {
  HoldfastProvider,
  type StoreHook,
  useEntry,
  useEntryState,
  useErrorReset,
  useStore,
} from '@holdfast/react';
import { type ReactElement, startTransition, useState } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { turn, until } from './clock.ts';
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

type ValueProps = { readonly path: string; readonly ttl?: number; readonly seen?: unknown[] };

/** Shows the value at a path, and notes each render that came to an end. */
function Value({ path, ttl, seen }: ValueProps): ReactElement {
  const value = useEntry(path, { ...(ttl !== undefined && { ttl }) });
  seen?.push(value);
  return <i>{`${path}=${String(value)} `}</i>;
}

function From({ store }: StoreHook): ReactElement {
  const options = store === undefined ? {} : { store };
  return <i>{`${String(useEntry('a', options))} ${useEntryState('a', options).status}`}</i>;
}

function Named({ name }: { readonly name?: string }): ReactElement {
  return <i>{useStore(name).name}</i>;
}

function Own(): ReactElement {
  return <i>{useStore('acme/more', { client: seat.client }).name}</i>;
}

const app = (children: ReactElement, client = seat.client): ReactElement => (
  <HoldfastProvider client={client} store="acme/app">
    <Recovering>{children}</Recovering>
  </HoldfastProvider>
);

function Recovering({ children }: { readonly children: ReactElement }): ReactElement {
  const reset = useErrorReset();
  return (
    <Boundary onReset={reset}>
      <Waiting>{children}</Waiting>
    </Boundary>
  );
}

const joins = (of = seat): number => of.wire.count('phx_join', 'store:');
const leaves = (of = seat): number => of.wire.count('phx_leave', 'store:');

/** Lets time pass until something has come of it: React lets go of what is drawn no more when it gets round to it. */
const passes = (isSo: () => boolean): Promise<void> =>
  expect
    .poll(async () => {
      await seat.pass(5001);
      await seat.pass(60_001);
      return isSo();
    })
    .toBe(true);

describe.each([{ isStrict: false }, { isStrict: true }])('loading, strict: $isStrict', (mode) => {
  const draw = (element: ReactElement): Page => open(element, mode.isStrict);

  it('G73 suspends first, and ends ready', async () => {
    const other = await world.other();
    await other.put('a', 1).committed;
    const page = draw(app(<Value path="a" />));
    await page.shows('…');
    await page.shows('a=1 ');
    await other.put('a', 2).committed;
    await page.shows('a=2 ');
    page.unmount();
  });

  it('G72 G76 G77 whoever asks at once shares one load, one join and one close', async () => {
    const siblings = (
      <>
        <Value path="a" />
        <Value path="a" />
        <Value path="b" />
      </>
    );
    const page = draw(app(siblings));
    await page.shows('a=undefined a=undefined b=undefined ');
    expect(joins()).toBe(1);
    expect(seat.wire.count('scope')).toBe(seat.wire.count('scope', '', '"add":["b/**"]'));
    expect(seat.wire.count('scope')).toBeLessThan(2);
    page.unmount();
    await calm();
    await seat.pass(5001);
    expect(leaves()).toBe(0);
    await passes(() => leaves() > 0);
    expect([joins(), leaves()]).toEqual([1, 1]);
  });

  it('G74 G95 a render with options that are equal, but not the same, waits for nothing', async () => {
    const seen: string[] = [];
    function Inline({ turnOf }: { readonly turnOf: number }): ReactElement {
      const store = useStore('acme/app', { ttl: 10 });
      seen.push(`${turnOf} ${store.name}`);
      return <i>{turnOf}</i>;
    }
    const page = draw(app(<Inline turnOf={1} />));
    await page.shows('1');
    seen.length = 0;
    page.draw(app(<Inline turnOf={2} />));
    await page.shows('2');
    expect(new Set(seen)).toEqual(new Set(['2 acme/app']));
    expect(joins()).toBe(1);
    page.unmount();
  });

  it('G75 G103 what failed is thrown to the boundary, and a reset tries again', async () => {
    const page = draw(app(<Named name="acme/none" />));
    await page.shows('failed: unauthorized');
    await calm();
    expect(joins()).toBeLessThan(3);
    await world.server.stores.create('acme/none');
    page.element.querySelector('button')?.click();
    await page.shows('acme/none');
    page.unmount();
  });

  it('a hook that is given a handle needs no provider, and one above it tries again what failed', async () => {
    const handle = seat.client.store('acme/none');
    function Held(): ReactElement {
      const value = useEntry('a', { store: handle });
      return <i>{`held ${String(value)}`}</i>;
    }
    const page = draw(app(<Held />));
    await page.shows('failed: unauthorized');
    await world.server.stores.create('acme/none');
    // Another hook of the client has the store asked for again.
    const other = draw(app(<Named name="acme/none" />));
    await other.shows('acme/none');
    page.element.querySelector('button')?.click();
    await page.shows('held undefined');
    const bare = draw(
      <Waiting>
        <Held />
      </Waiting>,
    );
    await bare.shows('held undefined');
    handle.put('a', 1);
    await Promise.all([page.shows('held 1'), bare.shows('held 1')]);
    for (const each of [page, other, bare]) each.unmount();
    handle.close();
  });

  it('a hook may be given a name, then a handle, another one, and a name again', async () => {
    const [other, more] = [await world.other(), await world.other('acme/more')];
    await Promise.all([other.put('a', 1).committed, more.put('a', 2).committed]);
    const [one, two] = ['acme/app', 'acme/more'].map((name) => seat.client.store(name));
    const page = draw(app(<From />));
    for (const [store, value] of [
      ['acme/more', 2],
      [one, 1],
      [two, 2],
      [undefined, 1],
      [two, 2],
    ] as const) {
      page.draw(app(<From {...(store !== undefined && { store })} />));
      await page.shows(`${value} ready`);
    }
    await more.put('a', 3).committed;
    await page.shows('3 ready');
    page.unmount();
    one?.close();
    two?.close();
  });

  it('G103 a reset tries again what failed below another provider in its own, and what failed of another client', async () => {
    const next = world.seat();
    const inner = (
      <HoldfastProvider client={seat.client} store="acme/none">
        <Named />
      </HoldfastProvider>
    );
    const Other = (): ReactElement => <i>{useStore('acme/none', { client: next.client }).name}</i>;
    const pages = [draw(app(inner)), draw(app(<Other />))];
    for (const page of pages) await page.shows('failed: unauthorized');
    await world.server.stores.create('acme/none');
    for (const page of pages) {
      page.element.querySelector('button')?.click();
      await page.shows('acme/none');
      page.unmount();
    }
  });

  it('G103 what fails for good is not tried all the time', async () => {
    const page = draw(app(<Named name="no name" />));
    await page.shows(`failed: TypeError: "no name" is not a store name like org/name.`);
    page.element.querySelector('button')?.click();
    await calm();
    await page.shows(`failed: TypeError: "no name" is not a store name like org/name.`);
    expect(joins()).toBe(0);
    page.unmount();
  });

  it('G78 G82 G83 another path shows another value, and the first is released; the same again loads nothing', async () => {
    const page = draw(app(<Value path="a" />));
    await page.shows('a=undefined ');
    page.draw(app(<Value path="b" />));
    await page.shows('b=undefined ');
    expect(seat.wire.count('scope', '', '"add":["b/**"]')).toBe(1);
    page.draw(app(<Value path="b" />));
    await calm();
    await passes(() => seat.wire.count('scope', '', '"remove":["a/**"]') === 1);
    expect(seat.wire.count('scope')).toBe(2);
    expect(page.text()).toBe('b=undefined ');
    page.unmount();
  });

  it('G79 in a transition the old screen stays until the new one is there', async () => {
    const seen: string[] = [];
    const doors: ((path: string) => void)[] = [];
    function Chooser(): ReactElement {
      const [path, setPath] = useState('a');
      doors.push((next) => startTransition(() => setPath(next)));
      const value = useEntry(path);
      seen.push(path);
      return <i>{`${path}=${String(value)}`}</i>;
    }
    const page = draw(app(<Chooser />));
    await page.shows('a=undefined');
    seat.wire.hold();
    doors.at(-1)?.('b');
    for (let i = 0; i < 50; i++) {
      await turn();
      expect(page.text()).toBe('a=undefined');
    }
    seat.wire.letIn();
    await page.shows('b=undefined');
    page.unmount();
  });

  it('G80 with a ttl of 0 it can be used while mounted, and a while later without another join', async () => {
    const page = draw(app(<Value path="a" ttl={0} />));
    await page.shows('a=undefined ');
    await seat.pass(10_000);
    expect(page.text()).toBe('a=undefined ');
    page.draw(app(<i>none</i>));
    await page.shows('none');
    await seat.pass(50);
    page.draw(app(<Value path="a" ttl={0} />));
    await page.shows('a=undefined ');
    expect([joins(), seat.wire.count('scope')]).toEqual([1, 0]);
    page.unmount();
  });

  it('G85 of three quick changes of the path the last is shown, and the others are let go of', async () => {
    const page = draw(app(<Value path="a" />));
    await page.shows('a=undefined ');
    for (const path of ['b', 'c', 'd']) {
      page.draw(app(<Value path={path} />));
      await turn();
    }
    await page.shows('d=undefined ');
    const removed = (): number => seat.wire.count('scope', '', '"remove"');
    await passes(() => removed() > 0);
    await calm();
    expect(seat.client.inspect()).toMatchObject({ stores: [{ held: ['d/**'] }] });
    page.unmount();
  });

  it('G81 G84 what several show stays until the last of them is gone', async () => {
    const page = draw(
      app(
        <>
          <Value path="a" />
          <Value path="a" />
        </>,
      ),
    );
    await page.shows('a=undefined a=undefined ');
    page.draw(app(<Value path="a" />));
    await page.shows('a=undefined ');
    await seat.pass(5001);
    await seat.pass(60_001);
    expect(leaves()).toBe(0);
    page.draw(app(<i>none</i>));
    await page.shows('none');
    await passes(() => leaves() > 0);
    expect([joins(), leaves()]).toEqual([1, 1]);
    page.unmount();
  });

  it('G86 G87 G88 G89 clients share nothing; another client under the provider is shown, and the first let go of', async () => {
    const next = world.seat();
    await (await world.other()).put('a', 1).committed;
    const two = (
      <>
        <Value path="a" />
        <Value path="a" />
      </>
    );
    const page = draw(app(two));
    await page.shows('a=1 a=1 ');
    page.draw(app(two, next.client));
    await until(() => joins(next) > 0);
    await page.shows('a=1 a=1 ');
    expect([joins(), joins(next)]).toEqual([1, 1]);
    await passes(() => leaves() > 0);
    expect([leaves(), leaves(next)]).toEqual([1, 0]);
    page.draw(app(two));
    await until(() => joins() === 2);
    await page.shows('a=1 a=1 ');
    page.unmount();
  });

  it('G107 a render that never came to the page leaves nothing behind', async () => {
    const page = draw(app(<Value path="a" />));
    await page.shows('…');
    page.unmount();
    await until(() => joins() === 1);
    await until(() => seat.client.status.get().connection === 'connected');
    await calm();
    await seat.pass(30_000);
    await passes(() => leaves() > 0);
    expect([joins(), leaves()]).toEqual([1, 1]);
    expect(seat.client.inspect()).toMatchObject({ stores: [] });
  });

  it('G106 outside a provider it says which hook needs what, and a client of its own will do', async () => {
    const bare = draw(
      <Boundary>
        <Named />
      </Boundary>,
    );
    await bare.shows(
      'failed: Error: useStore needs a HoldfastProvider above it, or a client in its options.',
    );
    bare.unmount();
    const page = draw(
      <Waiting>
        <Own />
      </Waiting>,
    );
    await page.shows('acme/more');
    page.unmount();
  });
});
