import { App, calm, complaints, open } from './page.tsx';
import { useAsync, useSnapshot, useView, useViewState } from '@holdfast/react';
import type { AsyncState } from '@holdfast/protocol';
import { type ReactElement, type ReactNode, Suspense, useState } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { module, node, Scripted } from '../../client/test/views/scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const app = (children: ReactNode): ReactElement => <App client={world.client}>{children}</App>;

const tree = (n: number): object => node([], { n });
const numberOf = (shown: unknown): string => String((shown as { n: number }).n);

function Room({ id = 'main', room }: { readonly id?: string; readonly room?: string }): ReactNode {
  const params = room === undefined ? {} : { room };
  return <i>{`n=${useSnapshot(useView(module, { id, params }), numberOf)}`}</i>;
}

/** Waits until it is told to go on. */
class Delay {
  isOver = false;
  over = (): void => undefined;
  readonly #promise = new Promise<void>((resolve) => {
    this.over = () => {
      this.isOver = true;
      resolve();
    };
  });

  readonly Wait = (): ReactNode => {
    // As React 18 and 19 take it both.
    // oxlint-disable-next-line typescript/only-throw-error -- that is how a component suspends
    if (!this.isOver) throw this.#promise;
    return <b>!</b>;
  };
}

function Both({ delay: { Wait } }: { readonly delay: Delay }): ReactElement {
  return (
    <Suspense fallback="wait">
      <Room />
      <Wait />
    </Suspense>
  );
}

let draws = 0;

/** A part of a view that comes and goes, of which the proxy is kept. */
function Part(): ReactNode {
  const view = useView(module, { id: 'main' });
  const [part] = useState(() => (view as unknown as { readonly part: typeof view }).part);
  draws += 1;
  return <i>{useAsync(part, (shown) => (shown as { name: AsyncState<string> }).name)}</i>;
}

const Bare = (): ReactNode => {
  const view = useView(module, { id: 'main' });
  return <i>{useSnapshot(view, (shown) => `/${numberOf(shown)}`)}</i>;
};

/** How a view that was drawn before it was asked for is doing. */
function Stale(): ReactNode {
  const state = useViewState(module, { id: 'main', initialData: { tree: tree(1) as never } });
  const { health, revalidationError: late } = state;
  const error = state.status === 'ready' ? state.error : undefined;
  const codes = [late, error].map((each) => String((each as { code?: string } | undefined)?.code));
  return <i>{`${state.status} ${String(health?.state)} ${codes.join(' ')}`}</i>;
}

const named = (name: string): object =>
  node(['part'], { name: { __musubi_async__: true, status: 'ok', result: name, reason: null } });

async function shownAt(id: string, n: number): Promise<object> {
  await expect.poll(() => world.sent.length).toBeGreaterThan(0);
  const join = await world.accept({ instance: `t${n}` });
  expect(join.payload['id']).toBe(id);
  await world.show(tree(n), 1, `musubi:connection:${module}:${id}`);
  return join.payload;
}

describe.each([false, true])('the mount behind a hook (strict: %s)', (isStrict) => {
  it('V85 of a component that has gone before it was shown is left, once, and joined once', async () => {
    const page = open(app(<Room />), isStrict);
    await page.shows('…');
    await expect.poll(() => world.sent.length).toBe(1);
    page.draw(app(<b>gone</b>));
    await page.shows('gone');
    await world.accept({ instance: 't1' });
    await world.show(tree(1));
    await calm();
    await world.clock.advance(6000);
    await expect.poll(() => world.sent.map(({ event }) => event)).toEqual(['phx_leave']);
    await world.clock.advance(60_000);
    expect(world.sent.map(({ event }) => event)).toEqual(['phx_leave']);
    expect(world.client.inspect()).toMatchObject({ views: [] });
    page.unmount();
  });

  it('V85 of a component that is drawn again because another beside it waits is joined once, and kept', async () => {
    const delay = new Delay();
    const page = open(app(<Both delay={delay} />), isStrict);
    await shownAt('main', 1);
    await calm();
    expect(page.text()).toBe('wait');
    delay.over();
    await page.shows('n=1!');
    await world.clock.advance(60_000);
    expect(world.sent).toEqual([]);
    await world.patch(1, 2, { ops: [{ op: 'replace', path: '/n', value: 2 }] });
    await page.shows('n=2!');
    page.unmount();
  });

  it('V85 of one root after the other is joined once each, and left once each', async () => {
    const page = open(app(<Room id="a" room="r1" />), isStrict);
    expect(await shownAt('a', 1)).toMatchObject({ params: { room: 'r1' } });
    await page.shows('n=1');
    page.draw(app(<Room id="b" room="r2" />));
    expect(await shownAt('b', 2)).toMatchObject({ params: { room: 'r2' } });
    await page.shows('n=2');
    await calm();
    await world.clock.advance(6000);
    const left = await world.next('phx_leave');
    expect([left.topic, world.sent]).toEqual([`musubi:connection:${module}:a`, []]);
    page.draw(app(<Room id="a" room="r3" />));
    expect(await shownAt('a', 3)).toMatchObject({ params: { room: 'r3' } });
    await page.shows('n=3');
    page.unmount();
    await calm();
    await world.clock.advance(60_000);
    await expect
      .poll(() => world.sent.map(({ event, topic }) => `${event} ${topic.slice(-1)}`).toSorted())
      .toEqual(['phx_leave a', 'phx_leave b']);
  });

  it('waits for an async value of a part that goes again as it did the first time', async () => {
    const page = open(app(<Part />), isStrict);
    await expect.poll(() => world.sent.length).toBe(1);
    await world.accept();
    await world.show(node([], { part: named('ada') }));
    await page.shows('ada');
    const set = async (version: number, value: object | null): Promise<void> =>
      world.patch(version, version + 1, { ops: [{ op: 'replace', path: '/part', value }] });
    await set(1, null);
    await page.shows('…');
    await set(2, named('eve'));
    await page.shows('eve');
    await set(3, null);
    await page.shows('…');
    await calm();
    const before = draws;
    await calm();
    expect(draws).toBe(before);
    await set(4, named('joe'));
    await page.shows('joe');
    page.unmount();
  });

  it('who names no params leaves those of the mount as they are', async () => {
    const page = open(app(<Room room="r1" />), isStrict);
    expect(await shownAt('main', 1)).toMatchObject({ params: { room: 'r1' } });
    await page.shows('n=1');
    page.draw(
      app(
        <>
          <Room room="r1" />
          <Bare />
        </>,
      ),
    );
    await page.shows('n=1/1');
    await calm();
    expect(world.sent).toEqual([]);
    page.unmount();
  });

  it('the state of a view that is shown, and then refused, says why', async () => {
    const page = open(app(<Stale />), isStrict);
    await page.shows('ready mounting undefined undefined');
    await expect.poll(() => world.sent.length).toBe(1);
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await page.shows('ready failed unauthorized unauthorized');
    page.unmount();
  });
});
