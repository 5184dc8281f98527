import type { Client } from '@holdfast/client';
import {
  child,
  nextSnapshot,
  type ProxyOf,
  type SnapshotOf,
  waitFor,
} from '@holdfast/client/views';
import type { AsyncState, RemoteApp, RemoteNode, UploadState } from '@holdfast/protocol';
import { describe, expectTypeOf, it } from 'vitest';

type Card = RemoteNode<{
  snapshot: { title: string; open: boolean; kind?: 'task' | 'note' };
  commands: { toggle: {}; rename: { payload: { title: string }; reply: { old: string } } };
}>;
type App = RemoteApp<{
  'App.Board': {
    params: { room: string };
    snapshot: {
      filter: string;
      made: Date;
      cards: readonly Card[];
      main: Card | null;
      log: { readonly '~stream': { id: string } };
      profile: { readonly '~async': { name: string } };
      avatar: { readonly '~upload': true };
    };
    commands: { setFilter: { payload: { to: string } }; clear: {} };
    events: { toast: { msg: string } };
    uploads: { avatar: true };
  };
  'App.Plain': { snapshot: { n: number } };
}>;

// Never run: what counts is that it compiles, and that what is marked does not.
const written = async (client: Client<App>): Promise<void> => {
  const page = client.view('App.Board', { params: { room: 'r1' } });
  const root = await page.ready;
  expectTypeOf(root).toEqualTypeOf<ProxyOf<App, 'App.Board'>>();
  expectTypeOf(root.$snapshot()).toEqualTypeOf<SnapshotOf<App, 'App.Board'> | undefined>();
  expectTypeOf(root.filter).toEqualTypeOf<string>();
  expectTypeOf(root.made).toEqualTypeOf<string>();
  expectTypeOf(root.log).toEqualTypeOf<readonly { readonly id: string }[]>();
  expectTypeOf(root.profile).toEqualTypeOf<AsyncState<{ readonly name: string }>>();
  expectTypeOf(root.avatar).toExtend<UploadState>();
  const [chosen] = await root.avatar.select([]);
  expectTypeOf(chosen?.ref).toEqualTypeOf<string | undefined>();
  // What is no entry tells why.
  if (chosen !== undefined && chosen.ref === undefined) {
    expectTypeOf(chosen.error.code).toEqualTypeOf<string>();
  }
  expectTypeOf(await root.cards[0]?.$dispatch('rename', { title: 'x' })).toEqualTypeOf<
    { readonly old: string } | undefined
  >();
  await root.main?.$dispatch('toggle');
  await root.$dispatch('clear');
  await root.$dispatch('setFilter', { to: 'x' }, { optimistic: (draft) => (draft.filter = 'x') });
  await root.$dispatch('clear', undefined, {
    optimistic: (draft) => {
      const [first] = draft.cards;
      if (first !== undefined) draft.cards = [{ ...first, title: 'x' }];
      draft.cards.push(child('c1', { title: 'x', open: true, kind: 'note' }));
      draft.main = child('m', { title: 'x', open: false });
      draft.log.push({ id: 'x' });
      draft.made = 'x';
      // @ts-expect-error -- what is no child cannot become one
      draft.cards.push({ title: 'x', open: true });
      // @ts-expect-error -- a child has all its fields
      draft.cards.push(child('c1', { title: 'x' }));
      // @ts-expect-error -- and those of the right types
      draft.cards.push(child('c1', { title: 'x', open: 1 }));
    },
  });
  root.$on('toast', ({ msg }) => expectTypeOf(msg).toEqualTypeOf<string>());
  expectTypeOf(root.$snapshot()?.cards[0]?.title).toEqualTypeOf<string | undefined>();
  expectTypeOf(await waitFor(root, ({ filter }) => filter === 'x' && 7)).toEqualTypeOf<number>();
  expectTypeOf((await nextSnapshot(root)).filter).toEqualTypeOf<string>();
  expectTypeOf(client.view('App.Plain').proxy.n).toEqualTypeOf<number>();
  void page.setParams({ room: 'r2' });
  // @ts-expect-error -- a module that the app does not have
  client.view('App.Other');
  // @ts-expect-error -- params that must be there
  client.view('App.Board');
  // @ts-expect-error -- params of the wrong type
  client.view('App.Board', { params: { room: 7 } });
  // @ts-expect-error -- a command that the node does not have
  await root.$dispatch('toggle');
  // @ts-expect-error -- a payload of the wrong type
  await root.$dispatch('setFilter', { to: 7 });
  // @ts-expect-error -- a payload that must be there
  await root.$dispatch('setFilter');
  // @ts-expect-error -- an event that the node does not have
  root.$on('bang', () => undefined);
  // @ts-expect-error -- a field that the node does not have
  void root.filters;
  // @ts-expect-error -- a draft has the members of the snapshot
  await root.$dispatch('clear', {}, { optimistic: (draft) => (draft.filters = 'x') });
  // @ts-expect-error -- a view is read only
  root.filter = 'x';
};

const loose = async (client: Client): Promise<void> => {
  const page = client.view('Any.Module', { params: { a: 1 } });
  await page.proxy['child'].$dispatch('x', { y: 1 });
  await page.proxy.$dispatch('x');
  expectTypeOf(page.proxy.$snapshot()).toBeUnknown();
};

describe('the types of views', () => {
  it('tell what an app has, and what it has not; without an app everything may be', () => {
    expectTypeOf(written).returns.resolves.toBeVoid();
    expectTypeOf(loose).returns.resolves.toBeVoid();
    expectTypeOf<Client<App>>().toExtend<Client>();
  });
});
