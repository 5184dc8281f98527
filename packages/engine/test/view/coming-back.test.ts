import type { ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import { object } from './schemas.ts';

const counter: ViewDefinition = {
  name: 'counter',
  scope: 'shared',
  events: { said: object({}) },
  mount: () => ({ count: 0, text: '' }),
  render: (state) => state,
  commands: {
    add: { run: (ctx) => ctx.update((s: { count: number }) => void s.count++) },
    write: { run: (ctx, text) => ctx.update((s: { text: unknown }) => void (s.text = text)) },
    whisper: { run: (ctx) => ctx.send('said', {}, { to: 'caller' }) },
  },
};

test('V64 who came back to a shared view in time stays, however long ago it had left', async () => {
  const rig = new Rig(counter, { limits: { linger_ms: 1000 } });
  const ann = await rig.open();
  const bob = await rig.join({ id: 2 });
  ann.leave(true);
  await rig.advance(900);
  await rig.join({ id: 1, resume: ann.version });
  await rig.advance(5000);
  await bob.dispatch('add');
  expect(ann.tree).toMatchObject({ count: 1 });
  expect(rig.of('forgot')).toEqual([]);
});

test('V60 what was sent in the mount is heard by who never got its first envelope', async () => {
  const rig = new Rig({
    ...counter,
    scope: 'connection',
    mount: (ctx) => {
      ctx.send('said', {});
      return { count: 0 };
    },
  });
  const ann = await rig.open();
  await ann.dispatch('add');
  ann.leave(true);
  // Nothing of it came through.
  Object.assign(ann, { version: 0, tree: null });
  ann.heard.length = 0;
  ann.events.length = 0;
  await rig.join({ id: 1, resume: 0 });
  expect(rig.of('attached').at(-1)).toMatchObject({ resumed: true });
  expect([ann.events.length, ann.version]).toEqual([1, 2]);
});

test('V61 the log holds as many bytes as it may, and the envelopes that go into these', async () => {
  const rig = new Rig(counter, { limits: { log_bytes: 2000 } });
  const ann = await rig.open();
  for (let turn = 0; turn < 20; turn++) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ann.dispatch('write', String(turn).padEnd(500));
  }
  expect(rig.instance.describe().logged).toBe(3);
});

test('V70 who lags is told nothing of its own either before it reads again, and then all of it', async () => {
  const rig = new Rig(counter);
  const ann = await rig.open();
  rig.step({ type: 'lagging', subscriber: ann.id });
  await ann.dispatch('whisper');
  expect(ann.heard).toHaveLength(1);
  rig.step({ type: 'recovered', subscriber: ann.id });
  expect([ann.heard.length, ann.events.length]).toEqual([2, 1]);
});

test('V70 who lagged while nothing happened is sent nothing when it reads again', async () => {
  const rig = new Rig(counter);
  const ann = await rig.open();
  rig.step({ type: 'lagging', subscriber: ann.id });
  rig.step({ type: 'recovered', subscriber: ann.id });
  await ann.dispatch('add');
  expect(ann.heard.map(({ base, version }) => [base, version])).toEqual([
    [0, 1],
    [1, 2],
  ]);
});
