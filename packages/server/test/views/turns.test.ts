import { app, view } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/host/clock.ts';
import { topic, world } from '../conversation/world.ts';
import { Root } from './root.ts';

/** Views whose renders take so long, and in which turn of the event loop each render was. */
function slowViews(renderMs: number) {
  let took = 0;
  let turn = 0;
  let isOver = false;
  const renders: number[] = [];
  const next = (): void => {
    turn += 1;
    if (!isOver) setImmediate(next);
  };
  next();
  onTestFinished(() => {
    isOver = true;
  });
  const rendered = <T>(tree: T): T => {
    took += renderMs;
    renders.push(turn);
    return tree;
  };
  const counter = view({
    name: 'Counter',
    mount: () => ({ n: 0 }),
    render: ({ n }) => rendered({ n }),
    commands: {
      add: { run: (ctx) => ctx.update((state) => void (state.n += 1)) },
    },
  });
  const reader = view({
    name: 'Reader',
    render: (_state, _h, ctx) => rendered({ said: ctx.store('demo/main').get('said') ?? null }),
  });
  /** How many of the last renders were in one turn, at most. */
  const together = (count: number): number => {
    const counts = new Map<number, number>();
    for (const at of renders.slice(-count)) counts.set(at, (counts.get(at) ?? 0) + 1);
    return Math.max(...counts.values());
  };
  const clock = { ...systemClock, now: () => systemClock.now() + took };
  return { clock, app: app({ views: [counter, reader] }), together };
}

test('commands of one view that take long leave turns of the event loop to everybody else', async () => {
  const { together, ...options } = slowViews(50);
  const { connect } = await world(options);
  const peer = await connect();
  const root = new Root(peer, 'Counter', 'one');
  await root.join({ module: 'Counter', id: 'one', capver: 4, resume: null });
  await root.envelope();
  const refs = Array.from({ length: 20 }, () => root.push('command', { name: 'add', payload: {} }));
  for (const ref of refs) expect(await peer.reply(ref)).toMatchObject({ status: 'ok' });
  expect(together(20)).toBe(1);
});

test('views that one commit concerns are rendered in turns, also where they have to wait for it', async () => {
  const { together, ...options } = slowViews(4);
  const { connect, joined } = await world(options);
  const roots: Root[] = [];
  for (let at = 0; at < 40; at += 1) {
    const root = new Root(await connect(), 'Reader', `${at}`);
    await root.join({ module: 'Reader', id: `${at}`, capver: 4, resume: null });
    await root.envelope();
    roots.push(root);
  }
  const writer = await joined();
  for (const value of ['a', 'b', 'c']) {
    await writer.ask(topic, 'write', { op: 'set', path: 'said', value, client_op_id: value });
    await Promise.all(roots.map((root) => root.envelope()));
    expect(together(40)).toBeLessThanOrEqual(4);
  }
});
