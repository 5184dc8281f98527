import { App, Boundary, calm, complaints, open } from './page.tsx';
import type { Client } from '@holdfast/client';
import {
  type Command,
  createHoldfast,
  useAsync,
  useCommand,
  useEvent,
  useSnapshot,
  useUpload,
  useView,
  useViewState,
} from '@holdfast/react';
import type { AsyncState, RemoteApp, RemoteNode } from '@holdfast/protocol';
import { type ReactElement, type ReactNode, startTransition, useState } from 'react';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { envelope, module, node, rootId, Scripted } from '../../client/test/views/scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const app = (children: ReactNode): ReactElement => <App client={world.client}>{children}</App>;

type Shown = { readonly n: number; readonly list: readonly { readonly id: string }[] };
const shownOf = (snapshot: unknown): Shown => snapshot as Shown;
const tree = node([], { n: 1, list: [{ id: 'a' }] });
const set = (path: string, value: unknown): object => ({ ops: [{ op: 'replace', path, value }] });

let draws = 0;

function Number({ room = 'r1' }: { readonly room?: string }): ReactElement {
  const view = useView(module, { id: 'main', params: { room } });
  const n = useSnapshot(view, (shown) => shownOf(shown).n);
  draws += 1;
  return <i>{`n=${String(n)}`}</i>;
}

async function mount(rest: object = { instance: 't1' }): Promise<void> {
  await expect.poll(() => world.sent.length).toBeGreaterThan(0);
  await world.accept(rest);
  await world.show(tree);
}

const None = (): ReactElement => <i>{useView(module, null) === null ? 'null' : 'a view'}</i>;

const Refused = (): ReactElement => <i>{useViewState(module, { id: 'main' }).status}</i>;

const Rooms = ({ room }: { readonly room: string }): ReactElement => (
  <i>{useViewState(module, { id: 'main', params: { room } }).status}</i>
);

const Seeded = (): ReactElement => {
  const view = useView(module, { id: 'main', initialData: { tree: tree as never } });
  return <i>{String(useSnapshot(view, (s) => shownOf(s).n))}</i>;
};

const Profile = (): ReactElement => {
  const view = useView(module, { id: 'main' });
  const name = useAsync(view, (s) => (s as { profile: AsyncState<string> }).profile);
  return <i>{name}</i>;
};

const Avatar = (): ReactElement => {
  const upload = useUpload(useView(module, { id: 'main' }), 'file');
  return <i>{`${upload?.status ?? 'none'} ${typeof upload?.select}`}</i>;
};

const value = (status: string, result: unknown, reason: unknown = null): object => ({
  __musubi_async__: true,
  status,
  result,
  reason,
});

describe.each([false, true])('hooks of views (strict: %s)', (isStrict) => {
  it('V85 one join for a mount, however often it is drawn, and one leave', async () => {
    const page = open(
      app(
        <>
          <Number />
          <Number />
        </>,
      ),
      isStrict,
    );
    await page.shows('…');
    await mount();
    await page.shows('n=1n=1');
    expect(world.sent).toEqual([]);
    page.draw(app(<Number />));
    await page.shows('n=1');
    // It is held: nothing is closed and opened again behind what is shown.
    draws = 0;
    await world.clock.advance(60_000);
    await calm();
    expect([draws, world.sent]).toEqual([0, []]);
    page.unmount();
    await calm();
    // A render that came to nothing would have had so long to come back.
    await world.clock.advance(6000);
    await expect.poll(() => world.sent.length).toBe(1);
    expect((await world.next('phx_leave')).payload).toEqual({});
  });

  it('V85 another component in the place of the one that mounted it sets its own params', async () => {
    const page = open(app(<Number key="r1" room="r1" />), isStrict);
    await mount();
    await page.shows('n=1');
    page.draw(app(<Number key="r2" room="r2" />));
    await expect.poll(() => world.sent.length).toBe(1);
    const push = await world.next('params');
    expect(push.payload['params']).toEqual({ room: 'r2' });
    page.unmount();
  });

  it('V87 draws again when what is selected is another, by its members', async () => {
    const seen: unknown[] = [];
    const List = (): ReactElement => {
      const view = useView(module, { id: 'main' });
      const picked = useSnapshot(view, (shown) => ({ list: shownOf(shown).list }));
      seen.push(picked);
      return <i>{String(picked?.list.length)}</i>;
    };
    const page = open(app(<List />), isStrict);
    await mount();
    await page.shows('1');
    const before = seen.length;
    await world.patch(1, 2, set('/n', 2));
    await world.patch(2, 3, set('', node([], { n: 3, list: [{ id: 'a' }] })));
    await calm();
    expect(seen.length).toBe(before);
    page.draw(app(<List />));
    await expect.poll(() => seen.length).toBeGreaterThan(before);
    expect(seen.at(-1)).toBe(seen[before - 1]);
    await world.patch(3, 4, set('/list', [{ id: 'a' }, { id: 'b' }]));
    await page.shows('2');
    page.unmount();
  });

  it('V72 a reconnect shows nothing undefined, and the state says that it is behind', async () => {
    const states: string[] = [];
    const State = (): ReactElement => {
      const state = useViewState(module, { id: 'main' });
      const n = useSnapshot(state.status === 'ready' ? state.value : null, (s) => shownOf(s).n);
      const text = `${state.status} ${state.status === 'ready' && state.refreshing ? 'behind' : ''}${state.health?.state ?? ''} ${String(n)}`;
      states.push(text);
      return <i>{text}</i>;
    };
    const page = open(app(<State />), isStrict);
    await page.shows('loading  undefined');
    await mount();
    await page.shows('ready live 1');
    await world.cut();
    await page.shows('ready behindstale 1');
    await world.clock.advance(1000);
    await expect.poll(() => world.sent.length).toBe(1);
    await world.accept({ instance: 't1', resumed: true });
    await page.shows('ready live 1');
    expect(states.slice(states.indexOf('ready live 1')).every((text) => text.endsWith(' 1'))).toBe(
      true,
    );
    page.unmount();
  });

  it('V85 other params of a call are set in the mount after the commit', async () => {
    const page = open(app(<Number />), isStrict);
    await mount();
    await page.shows('n=1');
    startTransition(() => page.draw(app(<Number room="r2" />)));
    await expect.poll(() => world.sent.length).toBe(1);
    const push = await world.next('params');
    expect(push.payload['params']).toEqual({ room: 'r2' });
    await world.reply(push, {}, { version: 2 });
    await world.patch(1, 2, set('/n', 2));
    await page.shows('n=2');
    expect(world.sent).toEqual([]);
    page.unmount();
  });

  it('a refused mount goes to the boundary, or is a state; none is none', async () => {
    open(app(<None />), isStrict).unmount();
    const page = open(app(<Number />), isStrict);
    await expect.poll(() => world.sent.length).toBe(1);
    await world.refuse(await world.next('phx_join'), { reason: 'unknown root' });
    await page.shows('failed: unknown root');
    page.unmount();
    const other = open(app(<Refused />), isStrict);
    await other.shows('failed');
    other.unmount();
  });

  it('what was refused with other params is asked for with these at once, and never again for nothing', async () => {
    const states = (rooms: readonly string[]): ReactElement =>
      app(rooms.map((room, at) => <Rooms key={at} room={room} />));
    const page = open(states(['bad']), isStrict);
    const refuse = async (room: string): Promise<void> => {
      await expect.poll(() => world.sent.length).toBe(1);
      const join = await world.next('phx_join');
      expect(join.payload['params']).toEqual({ room });
      await world.refuse(join, { reason: 'unauthorized' });
      await calm();
    };
    await refuse('bad');
    page.draw(states(['worse']));
    await refuse('worse');
    // Two who do not agree are not a reason to ask for ever.
    page.draw(states(['worse', 'bad']));
    await refuse('bad');
    expect(world.sent).toEqual([]);
    expect(page.text()).toBe('failedfailed');
    // A boundary that is new draws it anew.
    page.draw(app(<Number key="r1" room="r1" />));
    await mount();
    await page.shows('n=1');
    page.unmount();
  });

  it('of a root that ends under those who show it nothing undefined is selected', async () => {
    const page = open(app(<Number />), isStrict);
    await mount();
    await page.shows('n=1');
    await world.client.close();
    await calm();
    expect(page.text()).toBe('n=1');
    page.draw(app(<Number room="r2" />));
    await calm();
    // The selector would have thrown an error.
    expect(page.text()).toBe('n=1');
    page.unmount();
  });

  it('what was shown before the server has refused it goes to the boundary', async () => {
    const page = open(app(<Seeded />), isStrict);
    await page.shows('1');
    await world.refuse(await world.next('phx_join'), { reason: 'unauthorized' });
    await page.shows('failed: unauthorized');
    page.unmount();
  });

  it('V88 shows what the server rendered at once', async () => {
    const page = open(app(<Seeded />), isStrict);
    await page.shows('1');
    await mount();
    await calm();
    expect(page.text()).toBe('1');
    page.unmount();
  });

  it('V86 a command tells of the call that was made last, and of none after a reset', async () => {
    const held: { command?: Command<unknown, unknown> } = {};
    const dispatches = new Set<unknown>();
    const Button = (): ReactElement => {
      const command = useCommand(useView(module, { id: 'main' }), 'go');
      held.command = command;
      dispatches.add(command.dispatch);
      const { isPending, data, error } = command;
      return (
        <i>{`${isPending ? 'pending' : 'idle'} ${JSON.stringify(data)} ${String((error as { code?: string })?.code)}`}</i>
      );
    };
    const page = open(app(<Button />), isStrict);
    await mount();
    await page.shows('idle undefined undefined');
    dispatches.clear();
    void held.command?.dispatch({ call: 1 });
    void held.command?.dispatch({ call: 2 });
    await page.shows('pending undefined undefined');
    const [first, second] = [await world.next('command'), await world.next('command')];
    await world.reply(second, { call: 2 });
    await page.shows('idle {"call":2} undefined');
    await world.reply(first, { call: 1 });
    await calm();
    expect(page.text()).toBe('idle {"call":2} undefined');
    void held.command?.dispatch();
    await page.shows('pending undefined undefined');
    await world.refuse(await world.next('command'), { reason: 'no_luck' });
    await page.shows('idle undefined no_luck');
    void held.command?.dispatch();
    await page.shows('pending undefined undefined');
    held.command?.reset();
    await page.shows('idle undefined undefined');
    await world.reply(await world.next('command'), { late: true });
    await calm();
    expect([page.text(), dispatches.size]).toEqual(['idle undefined undefined', 1]);
    page.unmount();
  });

  it('V17 an event is heard once, by the callback of the last render', async () => {
    const heard: unknown[] = [];
    const Listener = ({ as }: { readonly as: string }): ReactElement => {
      useEvent(useView(module, { id: 'main' }), 'toast', (payload) => heard.push([as, payload]));
      return <i>{as}</i>;
    };
    const page = open(app(<Listener as="one" />), isStrict);
    await mount();
    await page.shows('one');
    page.draw(app(<Listener as="two" />));
    await page.shows('two');
    await world.patch(1, 2, { events: [{ store_id: [], name: 'toast', payload: 'hi' }] });
    expect(heard).toEqual([['two', 'hi']]);
    page.unmount();
  });

  it('V44 an async value suspends until it has data, keeps that while it loads, and throws its failure', async () => {
    const caught: unknown[] = [];
    const heard = (error: unknown): void => void caught.push(error);
    const page = open(app(<Boundary onError={heard} children={<Profile />} />), isStrict);
    await expect.poll(() => world.sent.length).toBe(1);
    await world.accept();
    await world.show(node([], { profile: value('loading', null) }));
    await calm();
    expect(page.text()).toBe('…');
    await world.patch(1, 2, set('/profile', value('ok', 'ada')));
    await page.shows('ada');
    await world.patch(2, 3, set('/profile', value('loading', 'ada')));
    await calm();
    expect(page.text()).toBe('ada');
    await world.patch(
      3,
      4,
      set(
        '/profile',
        value('failed', 'ada', { kind: 'error', value: { code: 'no_luck', data: 7 } }),
      ),
    );
    await page.shows('failed: no_luck');
    expect(caught[0]).toMatchObject({ code: 'no_luck', details: { data: 7 } });
    page.unmount();
  });

  it('V53 an upload is its state and its methods', async () => {
    const page = open(app(<Avatar />), isStrict);
    await expect.poll(() => world.sent.length).toBe(1);
    await world.accept();
    await world.show(node([], { file: { __musubi_upload__: 'file' } }));
    await page.shows('idle function');
    const error = { op: 'error', store_id: [], upload: 'file', error: { code: 'x', message: 'y' } };
    await world.patch(1, 2, { upload_ops: [error] });
    await page.shows('error function');
    page.unmount();
  });
});

type Boards = RemoteApp<{
  'App.Board': {
    params: { room: string };
    snapshot: { n: number; child: RemoteNode<{ snapshot: { title: string } }> };
    commands: { go: { payload: { to: number }; reply: { ok: true } } };
    uploads: { cover: {} };
  };
}>;

// Never run: what counts is what compiles.
function Typed({ n }: { readonly n: number }): ReactNode {
  const { useView: useBoard, useCommand: useGo, useSnapshot: useShown } = createHoldfast<Boards>();
  const view = useBoard('App.Board', { params: { room: 'r1' } });
  expectTypeOf(view.n).toEqualTypeOf<number>();
  expectTypeOf(useShown(view, ({ n: shown }) => shown)).toEqualTypeOf<number>();
  expectTypeOf(useShown(view).n).toEqualTypeOf<number>();
  // What may be none, and what may be gone, is undefined then.
  const perhaps = useBoard('App.Board', n > 0 ? { params: { room: 'r1' } } : null);
  expectTypeOf(useShown(perhaps, ({ n: shown }) => shown)).toEqualTypeOf<number | undefined>();
  expectTypeOf(useShown(view.child)?.title).toEqualTypeOf<string | undefined>();
  const { dispatch, data } = useGo(view, 'go');
  expectTypeOf(data).toEqualTypeOf<{ readonly ok: true } | undefined>();
  void dispatch({ to: 1 });
  // @ts-expect-error -- a payload of the wrong type
  void dispatch({ to: 'x' });
  // @ts-expect-error -- a command that the node does not have
  useGo(view, 'went');
  expectTypeOf(useUpload(view, 'cover').progress).toEqualTypeOf<number>();
  expectTypeOf(useUpload(perhaps, 'cover')?.progress).toEqualTypeOf<number | undefined>();
  // @ts-expect-error -- an upload that the node does not have
  useUpload(view, 'cove');
  // @ts-expect-error -- params that must be there
  useBoard('App.Board');
  // @ts-expect-error -- a module that the app does not have
  useBoard('App.Bored', null);
  return null;
}

it('the hooks of an app know its views', () => {
  expectTypeOf(Typed).returns.toEqualTypeOf<ReactNode>();
  expectTypeOf<Client<Boards>>().toExtend<Client>();
  expect([rootId, typeof envelope, typeof useState, draws > 0]).toEqual([
    'App.Board:main',
    'function',
    'function',
    true,
  ]);
});
