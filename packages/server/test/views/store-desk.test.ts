import { Tree } from '@holdfast/engine/data';
import { asPath, asStoreName } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { StoreDesk, type StoreDeskRoom } from '../../src/views/store-desk.ts';

type OpenStore = Awaited<ReturnType<StoreDeskRoom['openStore']>>;

function unused(): never {
  throw new Error('It is not used here.');
}

/** A desk over one store; how many follow it, and how a value of it becomes another. */
function world() {
  const row = {
    id: 's',
    name: asStoreName('demo/main'),
    status: 'active' as const,
    incarnation: 'i',
    insertedAt: 0,
    expiresAt: null,
  };
  const followers = new Set<Parameters<OpenStore['follow']>[0]>();
  const path = asPath('x');
  let tree = Tree.empty();
  const store: OpenStore = {
    row,
    archived: false,
    leases: 0,
    view: () => ({ tree, seq: 0 }),
    valueAt: (at) => tree.read(at)?.value,
    standing: unused,
    read: unused,
    follow: (follower) => {
      followers.add(follower);
      return () => followers.delete(follower);
    },
    write: unused,
    past: unused,
    target: unused,
    span: unused,
    tell: unused,
    tellBackwards: unused,
    onLost: () => undefined,
    release: () => undefined,
  };
  const room: StoreDeskRoom = {
    openStore: async () => store,
    lookFor: unused,
    findStore: async () => row,
    newId: unused,
    report: unused,
    clock: { setTimeout: unused, clearTimeout: unused },
    files: { judge: unused },
  };
  return {
    desk: new StoreDesk(room),
    commit: (value: number): void => {
      tree = Tree.empty();
      tree.put(path, { value, type: 'integer', revision: value });
      const op = { seq: value, op: 'set', path, value, arg: null, removed: [] } as const;
      const by = { deviceId: 'd', clientOpId: 'c', tx: null, at: 0, principal: null };
      for (const follower of followers) follower([{ ...op, ...by }], new Map());
    },
    read: { key: 'x', under: path, now: () => tree.read(path)?.value },
  };
}

test.each([0, 1, 2, 3])(
  'given who opens a store as its last user lets go of it (%i), then it hears of what is committed from then on',
  async (ticks) => {
    const { desk, commit, read } = world();
    const first = await desk.open('demo/main', null);
    const opening = desk.open('demo/main', null);
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    first.release();
    const second = await opening;
    let heard = 0;
    second.watch(read, () => (heard += 1));
    commit(1);
    expect(heard).toBe(1);
    second.release();
  },
);
