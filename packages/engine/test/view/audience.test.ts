import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rig, type RigOptions, type ViewClient } from './instance-rig.ts';
import { object } from './schemas.ts';
import type { TestHandle } from './test-stores.ts';

type State = { count: number; by: unknown };

let renders = 0;

const room: ViewDefinition = {
  name: 'room',
  scope: 'shared',
  streams: { log: { limit: 5 } },
  events: { said: object({}) },
  mount: () => ({ count: 0, by: null }),
  render: (state, h, ctx) => {
    renders++;
    const title = (ctx.store('rooms') as TestHandle).get('title') ?? null;
    return { ...(state as State), title, log: h.stream('log') };
  },
  commands: {
    add: {
      run: (ctx) => {
        ctx.update((s: State) => {
          s.count++;
          s.by = (ctx.principal as { subject: string }).subject;
        });
        ctx.stream('log').insert({ id: (ctx.state as State).count });
      },
    },
    whisper: { run: (ctx, to) => ctx.send('said', {}, { to: to as 'caller' }) },
    toSome: {
      run: (ctx) =>
        ctx.send('said', {}, { to: (who) => (who as { subject: string }).subject === 'bob' }),
    },
    later: {
      run: (ctx) => void ctx.after(1, (task) => task.update({ count: 1, by: task.principal })),
    },
  },
};

const own: ViewDefinition = { ...room, scope: 'connection' };
/** Nobody knows what is in its stream but its client. */
const unheld: ViewDefinition = { ...own, streams: { log: {} } };
const held: ViewDefinition = { ...own, streams: { log: { limit: 5, retain: true } } };

async function adds(client: ViewClient, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    // oxlint-disable-next-line no-await-in-loop -- one command after the other
    await client.dispatch('add');
  }
}

function put(rig: Rig, title: unknown): void {
  rig.stores.put('rooms', 'title', title);
}

test('V60 who resumes gets exactly the envelopes it has missed, or none where there were none', async () => {
  const rig = new Rig(unheld);
  const client = await rig.open();
  await adds(client, 1);
  client.leave(true);
  await rig.join({ id: 1, resume: client.version });
  expect(rig.of('attached').at(-1)).toMatchObject({ resumed: true, version: 2 });
  expect(client.heard).toHaveLength(2);
  const tree = structuredClone(client.tree);
  await adds(client, 3);
  // The socket died before the last three were heard.
  client.leave(true);
  const missed = client.heard.splice(2);
  Object.assign(client, { tree, version: 2 });
  await rig.join({ id: 1, resume: 2 });
  expect(client.heard.slice(2)).toMatchObject(
    missed.map(({ base, version }) => ({ base, version })),
  );
  expect(client.heard.slice(2).map(({ tail }) => tail)).toEqual(missed.map(({ tail }) => tail));
  expect(client.tree).toMatchObject({ count: 4 });
  await adds(client, 1);
  expect(client.tree).toMatchObject({ count: 5 });
});

test('V61 beyond the log a client gets the whole of the same instance, if the server holds its streams', async () => {
  const rig = new Rig(held, { limits: { log_count: 2 } });
  const client = await rig.open();
  await adds(client, 6);
  client.leave(true);
  client.heard.length = 0;
  await rig.join({ id: 1, resume: 1 });
  expect(rig.of('attached').at(-1)).toMatchObject({ resumed: false, version: 7 });
  expect(client.heard).toHaveLength(1);
  expect(client.items('log')).toHaveLength(5);
  expect(rig.of('ended')).toEqual([]);
});

test('V61 if it does not, the instance ends, and the client mounts afresh', async () => {
  const rig = new Rig(unheld, { limits: { log_count: 2 } });
  const client = await rig.open();
  await adds(client, 6);
  client.leave(true);
  await rig.join({ id: 1, resume: 1 });
  expect(rig.of('lost')).toMatchObject([{ subscriber: 1 }]);
  expect(rig.of('ended')).toHaveLength(1);
});

test('V63 a resume while the old channel still looks alive detaches it first', async () => {
  const rig = new Rig(held);
  const client = await rig.open();
  await adds(client, 1);
  client.leave(true);
  await rig.join({ id: 1, resume: client.version });
  await adds(client, 1);
  expect(client.tree).toMatchObject({ count: 2 });
});

test('V64 an instance ends when linger has passed, or with a leave that does not keep it', async () => {
  const signals: AbortSignal[] = [];
  const view: ViewDefinition = {
    ...own,
    linger: 1000,
    mount: (ctx) => {
      signals.push(ctx.signal);
      return { count: 0, by: null };
    },
  };
  const rig = new Rig(view);
  const client = await rig.open();
  client.leave(true);
  await rig.advance(999);
  expect(rig.of('ended')).toEqual([]);
  await rig.join({ id: 1, resume: client.version });
  await rig.advance(5000);
  expect(rig.of('ended')).toEqual([]);
  client.leave(true);
  await rig.advance(1000);
  expect(rig.of('ended')).toHaveLength(1);
  const other = new Rig(view);
  (await other.open()).leave();
  expect(other.of('ended')).toHaveLength(1);
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('who is lost twice has the whole of linger each time', async () => {
  const rig = new Rig({ ...room, linger: 1000 });
  const [client] = [await rig.open(), await rig.join({ id: 2 })];
  client.leave(true);
  await rig.advance(500);
  await rig.join({ id: 1, resume: client.version });
  await rig.advance(400);
  client.leave(true);
  // The time of the first loss is over, that of the second is not.
  await rig.advance(900);
  expect(rig.of('forgot')).toEqual([]);
  await rig.advance(100);
  expect(rig.of('forgot')).toMatchObject([{ subscriber: 1 }]);
});

test('V65 for a thousand subscribers one change is rendered, diffed and encoded once', async () => {
  const rig = new Rig(room);
  await rig.open();
  for (let id = 2; id <= 1000; id++) rig.attach({ id, principal: { subject: `p${id}` } });
  await rig.settle();
  renders = 0;
  rig.effects.length = 0;
  put(rig, 'new');
  await rig.settle();
  expect(renders).toBe(1);
  const sends = rig.of('send');
  expect(sends).toHaveLength(1);
  expect(sends[0]?.to).toHaveLength(1000);
  expect(rig.of('rendered')).toHaveLength(1);
  const full = new Set([...rig.clients.values()].slice(1).map(({ heard }) => heard[0]?.tail));
  expect(full.size).toBe(1);
});

function stepsOf(client: ViewClient | undefined): unknown {
  return client?.heard.map(({ base, version }) => [base, version]);
}

test('V66 V67 a Musubi client counts by itself, with the same tails; private envelopes move it alone', async () => {
  const rig = new Rig(room);
  const first = await rig.open();
  await adds(first, 6);
  rig.attach({ id: 2, capver4: false });
  rig.attach({ id: 3, principal: { subject: 'bob' } });
  await rig.settle();
  const [musubi, modern] = [rig.clients.get(2), rig.clients.get(3)];
  expect([stepsOf(musubi), stepsOf(modern)]).toEqual([[[0, 1]], [[0, 7]]]);
  await adds(first, 1);
  expect(musubi?.last?.tail).toBe(modern?.last?.tail);
  await musubi?.dispatch('whisper', 'caller');
  await modern?.dispatch('whisper', 'caller');
  await adds(first, 1);
  expect(stepsOf(musubi)).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
  ]);
  expect(stepsOf(modern)).toEqual([
    [0, 7],
    [7, 8],
    [8, 8],
    [8, 9],
  ]);
  expect([musubi?.events, modern?.events].map((list) => list?.length)).toEqual([1, 1]);
  expect(first.events).toEqual([]);
});

test('V68 the handler of a shared view sees who has commanded, whose reply comes before the envelope', async () => {
  const rig = new Rig(room);
  await rig.open();
  const bob = await rig.join({ id: 2, principal: { subject: 'bob' } });
  rig.effects.length = 0;
  expect(await bob.dispatch('add')).toEqual({});
  const order = rig.effects
    .map(({ type }) => type)
    .filter((type) => type === 'reply' || type === 'send');
  expect(order).toEqual(['reply', 'send']);
  expect(rig.of('send')[0]?.to).toEqual([1, 2]);
  expect(bob.tree).toMatchObject({ by: 'bob' });
  await bob.dispatch('toSome');
  expect(bob.events).toHaveLength(1);
  await bob.dispatch('later');
  await rig.advance(100);
  expect(rig.of('fault')).toHaveLength(1);
});

test('V69 a thousand changes in one turn give one cycle; ten thousand in a second at most 61, the last among them', async () => {
  const rig = new Rig(room);
  const client = await rig.open();
  for (let n = 0; n < 1000; n++) put(rig, n);
  await rig.settle();
  expect(client.heard).toHaveLength(2);
  await rig.advance(1000);
  client.heard.length = 0;
  for (let n = 0; n < 1000; n++) {
    for (let k = 0; k < 10; k++) put(rig, `${n} ${k}`);
    // oxlint-disable-next-line no-await-in-loop -- a second, in its milliseconds
    await rig.advance(1);
  }
  expect(client.heard.length).toBeGreaterThan(55);
  expect(client.heard.length).toBeLessThanOrEqual(61);
  await rig.advance(100);
  expect(client.tree).toMatchObject({ title: '999 9' });
});

test('V70 envelopes are skipped for who lags alone, and one catch-up makes it equal again, streams included', async () => {
  const rig = new Rig(room);
  const first = await rig.open();
  const slow = await rig.join({ id: 2 });
  const old = await rig.join({ id: 3, capver4: false });
  rig.step({ type: 'lagging', subscriber: 2 });
  rig.step({ type: 'lagging', subscriber: 3 });
  await adds(first, 7);
  await first.dispatch('whisper', 'all');
  expect([slow.heard.length, old.heard.length]).toEqual([1, 1]);
  rig.step({ type: 'recovered', subscriber: 2 });
  rig.step({ type: 'recovered', subscriber: 3 });
  expect(slow.last).toMatchObject({ base: 0, version: 9 });
  expect(old.last).toMatchObject({ base: 1, version: 2 });
  expect(slow.items('log')).toEqual(first.items('log'));
  expect(slow.events).toHaveLength(1);
  await adds(first, 1);
  expect([slow, old].map(({ tree }) => tree)).toEqual([first.tree, first.tree]);
  expect(slow.items('log')).toEqual(first.items('log'));
});

test('V70 skipped ops of a stream that nobody holds, beyond their limit, end the subscriber and its instance', async () => {
  const rig = new Rig(unheld, { limits: { held_bytes: 500 } });
  const client = await rig.open();
  rig.step({ type: 'lagging', subscriber: 1 });
  for (let n = 0; n < 20; n++) void client.send('add');
  await rig.settle();
  expect(rig.of('drop')).toMatchObject([{ subscriber: 1 }]);
  expect(rig.of('ended')).toHaveLength(1);
});

test('with nobody there tasks run and nothing renders; who comes finds one cycle done', async () => {
  const rig = new Rig({
    ...held,
    mount: (ctx) => {
      ctx.every(100, (task) => {
        task.update((s: State) => void s.count++);
        task.stream('log').insert({ id: (task.state as State).count });
        task.send('said', {});
      });
      return { count: 0, by: null };
    },
  });
  const client = await rig.open();
  client.leave(true);
  renders = 0;
  await rig.advance(1000);
  expect(renders).toBe(0);
  await rig.join({ id: 1, resume: client.version });
  expect(renders).toBe(1);
  expect(client.heard).toHaveLength(2);
  expect(client.tree).toMatchObject({ count: 10 });
  expect(client.items('log')).toHaveLength(5);
  expect(client.events).toHaveLength(10);
});

test('what is sent to nobody beyond its limit is dropped, and the log with it', async () => {
  const rig = new Rig(
    {
      ...unheld,
      mount: (ctx) => {
        ctx.every(10, (task) => task.stream('log').insert({ id: rig.now }));
        return { count: 0, by: null };
      },
    },
    { limits: { held_bytes: 500 } },
  );
  const client = await rig.open();
  client.leave(true);
  await rig.advance(1000);
  await rig.join({ id: 1, resume: client.version });
  expect(rig.of('lost')).toHaveLength(1);
  expect(rig.of('ended')).toHaveLength(1);
});

function change(on: Rig): Promise<unknown> {
  return new Promise((resolve) => {
    on.step({ type: 'params', ticket: on.ticket(resolve), subscriber: 1, params: { a: 2 } });
  });
}

test('a change of params runs onParams as a task, and is refused where there is none', async () => {
  const view: ViewDefinition = {
    name: 'root',
    mount: () => ({ seen: [] as unknown[] }),
    render: (state, _, ctx) => ({ ...(state as object), params: ctx.params }),
    onParams: (ctx: ViewContext, next, prev) =>
      ctx.update((s: { seen: unknown[] }) => void s.seen.push(prev, next)),
  };
  const rig = new Rig(view, { params: { a: 1 } });
  const client = await rig.open();
  expect(await change(rig)).toMatchObject({ status: 'ok', response: {}, version: 2 });
  expect(client.tree).toMatchObject({ seen: [{ a: 1 }, { a: 2 }], params: { a: 2 } });
  const without = new Rig(room);
  await without.open();
  expect(await change(without)).toMatchObject({ response: { reason: 'unsupported' } });
});

const doing = fc.oneof(
  fc.record({ do: fc.constantFrom('add', 'whisper', 'put', 'turn'), who: fc.nat(3) }),
  fc.record({ do: fc.constantFrom('lag', 'recover', 'leave', 'join', 'resume'), who: fc.nat(3) }),
);

type Step = { readonly do: string; readonly who: number };

/** What somebody does who is there. */
const acts: { readonly [name: string]: (rig: Rig, client: ViewClient) => void } = {
  add: (_, client) => void client.send('add'),
  whisper: (_, client) => void client.send('whisper', 'caller'),
  lag: (rig, { id }) => rig.step({ type: 'lagging', subscriber: id }),
  recover: (rig, { id }) => rig.step({ type: 'recovered', subscriber: id }),
  leave: (_, client) => {
    if (client.id !== 4) client.leave(true);
  },
};

async function play(rig: Rig, steps: readonly Step[]): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const id = step.who + 1;
    const client = rig.clients.get(id);
    if (step.do === 'put') put(rig, index);
    // oxlint-disable-next-line no-await-in-loop -- step by step
    else if (step.do === 'turn') await rig.advance(20);
    else if (client?.isConnected === true) acts[step.do]?.(rig, client);
    else if (step.do === 'join' && client === undefined) rig.attach({ id, capver4: id !== 4 });
    else if (step.do === 'resume' && client !== undefined) {
      rig.attach({ id, resume: client.version });
    }
  }
  await rig.advance(100);
}

test('V18 whoever lags, leaves, comes back and when: versions are gapless, and all end with the same tree and streams', async () => {
  const options: RigOptions = { limits: { log_count: 3 } };
  await fc.assert(
    fc.asyncProperty(fc.array(doing, { maxLength: 40 }), async (steps) => {
      const rig = new Rig(room, options);
      await rig.open();
      await play(rig, steps);
      const fresh = await rig.join({ id: 99 });
      for (const client of rig.clients.values()) {
        if (!client.isConnected) continue;
        rig.step({ type: 'recovered', subscriber: client.id });
        expect(client.tree).toEqual(fresh.tree);
        expect(client.items('log')).toEqual(fresh.items('log'));
      }
    }),
    { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 60) },
  );
});
