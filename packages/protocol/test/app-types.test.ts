import { expectTypeOf, it } from 'vitest';
import type {
  AsyncSlot,
  AsyncState,
  CommandsOf,
  EventsOf,
  ModuleOf,
  ParamsOf,
  RemoteApp,
  RemoteNode,
  SnapshotOf,
  StreamSlot,
  UploadSlot,
  UploadState,
} from '../src/index.ts';

type Card = {
  snapshot: { title: string; due: Date };
  commands: { rename: { payload: { title: string } } };
};
type Remote = RemoteApp<{
  'My.Board': {
    params: { room: string };
    snapshot: {
      cards: readonly RemoteNode<Card>[];
      panel: RemoteNode<Card> | null;
      log: StreamSlot<{ at: Date }>;
      profile: AsyncSlot<{ name: string }>;
      avatar: UploadSlot;
      link?: URL;
    };
    commands: { add: { payload: { title: string }; reply: { id: string } }; clear: {} };
    events: { toast: { at: Date } };
  };
  'My.Clock': { snapshot: { now: string } };
}>;

it('names, params, snapshots, commands and events follow from the type of an app (views.md §14)', () => {
  expectTypeOf<ModuleOf<Remote>>().toEqualTypeOf<'My.Board' | 'My.Clock'>();
  expectTypeOf<ParamsOf<Remote, 'My.Board'>>().toEqualTypeOf<{ room: string }>();
  type Board = SnapshotOf<Remote, 'My.Board'>;
  type PlainCard = { readonly title: string; readonly due: string };
  expectTypeOf<Board['cards'][number]>().toEqualTypeOf<PlainCard>();
  expectTypeOf<Board['panel']>().toEqualTypeOf<PlainCard | null>();
  expectTypeOf<Board['log']>().toEqualTypeOf<readonly { readonly at: string }[]>();
  expectTypeOf<Board['profile']>().toEqualTypeOf<AsyncState<{ readonly name: string }>>();
  expectTypeOf<Board['avatar']>().toEqualTypeOf<UploadState>();
  expectTypeOf<Board['link']>().toEqualTypeOf<string | undefined>();
  type Commands = CommandsOf<Remote, 'My.Board'>;
  expectTypeOf<Commands['add']['payload']>().toEqualTypeOf<{ title: string }>();
  expectTypeOf<Commands['add']['reply']>().toEqualTypeOf<{ readonly id: string }>();
  expectTypeOf<EventsOf<Remote, 'My.Board'>['toast']>().toEqualTypeOf<{ readonly at: string }>();
  // @ts-expect-error there is no such module
  expectTypeOf<ParamsOf<Remote, 'My.Bord'>>();
});
