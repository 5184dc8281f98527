import { HoldfastError, RejectedError } from '@holdfast/protocol';
import { viewLimits } from '@holdfast/protocol/views';
import {
  type CommandAnswer,
  CommandLedger,
  type ViewContext,
  type ViewDefinition,
} from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Gate, Rig } from './instance-rig.ts';
import { object } from './schemas.ts';
import type { TestHandle } from './test-stores.ts';

type State = { count: number; label: string };

const counter: ViewDefinition = {
  name: 'counter',
  mount: () => ({ count: 0, label: 'a' }),
  streams: { log: { limit: 10 } },
  events: { said: object({}) },
  render: (state, h) => ({ ...(state as State), log: h.stream('log') }),
  commands: {
    add: {
      input: object({ by: 'number' }),
      run: (ctx, input) => ctx.update((s: State) => void (s.count += (input as { by: number }).by)),
    },
    nothing: { run: () => undefined },
    echo: { reply: object({ text: 'string' }), run: (_, input) => input },
    badReply: { reply: object({ text: 'string' }), run: (ctx) => (touchAll(ctx), { text: 1 }) },
    fail: {
      run: (ctx) => {
        touchAll(ctx);
        throw new Error('a secret');
      },
    },
    refuse: {
      run: (ctx) => {
        touchAll(ctx);
        throw new RejectedError('too_late', { until: 5 });
      },
    },
    say: { run: (ctx) => ctx.send('said', {}) },
  },
};

function addOne(ctx: ViewContext): void {
  ctx.update((s: State) => void (s.count += 1));
}

function touchAll(ctx: ViewContext): void {
  ctx.update((s: State) => void (s.count = 99));
  ctx.stream('log').insert({ id: 'x' });
  ctx.send('said', {});
}

test('V1 V18 a mount gives exactly one envelope from 0 to 1, with one root replace and all four lists', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  expect(client.heard).toHaveLength(1);
  expect(client.heard[0]).toMatchObject({ base: 0, version: 1 });
  expect(client.last?.tail.content).toEqual({
    ops: [{ op: 'replace', path: '', value: client.tree }],
    stream_ops: [],
    upload_ops: [],
    events: [],
  });
  expect(client.tree).toEqual({
    __musubi_store_id__: [],
    count: 0,
    label: 'a',
    log: { __musubi_stream__: 'log' },
  });
});

test('V11 a handler that changes nothing gives a reply and no envelope', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  expect(await client.dispatch('nothing')).toEqual({});
  expect(await client.dispatch('add', { by: 0 })).toEqual({});
  expect(client.heard).toHaveLength(1);
});

test('V14 commands back to back give a reply each, in order, and an envelope each, of consecutive versions', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  const order: string[] = [];
  rig.onEffect = (effect) => {
    if (effect.type === 'reply') order.push(`reply ${effect.version}`);
    if (effect.type === 'send') order.push(`send ${effect.version}`);
  };
  // The first one runs at once: of two that wait, the one that came first is next.
  const all = [1, 2, 4].map((by) => client.send('add', { by }));
  await rig.settle();
  await Promise.all(all);
  expect(order).toEqual(['reply 2', 'send 2', 'reply 3', 'send 3', 'reply 4', 'send 4']);
  const counts = client.heard.slice(1).map(({ tail }) => tail.content.ops);
  expect(counts).toMatchObject([[{ value: 1 }], [{ value: 3 }], [{ value: 7 }]]);
});

test('V17 a cycle of events only raises the version and has no ops', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  await client.dispatch('say');
  expect(client.last).toMatchObject({ base: 1, version: 2 });
  expect(client.last?.tail.content.ops).toEqual([]);
  expect(client.events).toEqual([{ store_id: [], name: 'said', payload: {} }]);
});

test('V21 V22 what cannot be run is refused by name, and the next command works', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  expect(await client.dispatch('missing')).toEqual({ error: { reason: 'unknown command' } });
  expect(await client.dispatch('__proto__')).toEqual({ error: { reason: 'unknown command' } });
  expect(await client.dispatch('add', {}, { storeId: ['x'] })).toEqual({
    error: { reason: 'unknown store' },
  });
  expect(await client.dispatch('add', { by: 1 })).toEqual({});
});

test('V23 a payload that does not pass is refused with issues, and the state stays', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  expect(await client.dispatch('add', { by: 'x' })).toEqual({
    error: {
      reason: 'invalid_payload',
      issues: [{ path: ['by'], message: 'must be a number' }],
    },
  });
  expect(client.heard).toHaveLength(1);
  expect(await client.dispatch('echo', { text: 'hi' })).toEqual({ text: 'hi' });
});

test.each(['fail', 'badReply'])(
  'V24 of a command that fails (%s) nothing remains but an opaque id',
  async (name) => {
    const rig = new Rig(counter);
    const client = await rig.open();
    const reply = await client.dispatch(name);
    expect(reply).toEqual({
      error: { reason: 'internal_error', id: expect.stringMatching(/^e_/) },
    });
    expect(JSON.stringify(reply)).not.toContain('secret');
    expect(client.heard).toHaveLength(1);
    expect(rig.of('fault')).toHaveLength(1);
    expect(await client.dispatch('add', { by: 1 })).toEqual({});
    expect(client.tree).toMatchObject({ count: 1 });
    expect([client.items('log'), client.events]).toEqual([[], []]);
  },
);

test('a command that says no is answered with its code and data, and nothing of it remains', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  expect(await client.dispatch('refuse')).toEqual({
    error: { reason: 'too_late', data: { until: 5 } },
  });
  expect(client.heard).toHaveLength(1);
  expect(rig.of('fault')).toEqual([]);
});

test.each([
  ['full', { reason: 'full' }],
  ['Not so', { reason: 'internal_error', id: 'e_1' }],
])('a no by the code "%s" is answered with %j', async (code, error) => {
  const no = (): never => {
    throw new RejectedError(code);
  };
  const client = await new Rig({ ...counter, commands: { no: { run: no } } }).open();
  expect(await client.dispatch('no')).toEqual({ error });
});

test('V25 a handler that takes too long is answered, the next command starts, and its context is closed', async () => {
  let old: ViewContext | null = null;
  const gate = new Gate();
  const rig = new Rig({
    ...counter,
    commands: {
      ...counter.commands,
      slow: {
        timeout: 100,
        run: async (ctx) => {
          old = ctx;
          touchAll(ctx);
          await gate.opened;
          ctx.update((s: State) => void (s.count = 77));
        },
      },
    },
  });
  const client = await rig.open();
  const slow = client.send('slow');
  const next = client.send('add', { by: 1 });
  await rig.advance(99);
  expect(rig.of('reply')).toEqual([]);
  await rig.advance(1);
  expect(await slow).toMatchObject({ status: 'error', response: { reason: 'timeout' } });
  expect(await next).toMatchObject({ status: 'ok' });
  gate.open();
  await rig.settle();
  expect(client.tree).toMatchObject({ count: 1 });
  const ctx = old as ViewContext | null;
  expect(ctx?.signal.aborted).toBe(true);
  expect(() => ctx?.update({ count: 5 })).toThrow(HoldfastError);
  expect(() => ctx?.stream('log').insert({ id: 1 })).toThrow('closed');
  expect(client.heard).toHaveLength(2);
});

test('V25 nothing that the context of a command cut off has given does anything any more', async () => {
  let old: ViewContext | null = null;
  const gate = new Gate();
  const rig = new Rig({
    ...counter,
    uploads: { file: { accept: 'any' } },
    commands: {
      slow: {
        timeout: 100,
        run: async (ctx) => {
          old = ctx;
          await gate.opened;
        },
      },
    },
  });
  const client = await rig.open();
  const slow = client.send('slow');
  await rig.settle();
  const ctx = old as ViewContext | null;
  const [uploads, store] = [ctx?.uploads, ctx?.store('boards') as TestHandle];
  await rig.advance(100);
  expect(await slow).toMatchObject({ response: { reason: 'timeout' } });
  expect(() => uploads?.cancel('file', 'u_1')).toThrow('closed');
  expect(() => uploads?.entries('file')).toThrow('closed');
  await expect(uploads?.consume('file', () => undefined)).rejects.toThrow('closed');
  expect(() => store.put('x', 1)).toThrow('closed');
  expect(() => ctx?.tell(['nobody'], 'x')).toThrow('closed');
  expect(() => ctx?.state).toThrow('closed');
  expect(() => ctx?.params).toThrow('closed');
  expect(ctx?.signal.aborted).toBe(true);
});

test('V28 a command that is sent again is answered as before, and happens once', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  const more = { opId: 'op1' };
  const [first, again] = [client.send('add', { by: 1 }, more), client.send('add', { by: 1 }, more)];
  await rig.settle();
  expect(await first).toMatchObject({ status: 'ok', response: {} });
  expect(await again).toMatchObject({ status: 'ok', response: {} });
  client.leave(true);
  const back = await rig.join({ id: 1, resume: client.version });
  expect(await back.dispatch('add', { by: 1 }, more)).toEqual({});
  expect(client.tree).toMatchObject({ count: 1 });
});

test('a reply that is too long is not kept: its repeat is told so', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  const text = 'x'.repeat(70_000);
  expect(await client.dispatch('echo', { text }, { opId: 'a' })).toEqual({ text });
  expect(await client.dispatch('echo', { text }, { opId: 'a' })).toEqual({
    error: { reason: 'already_executed' },
  });
});

test('of very many long replies the last are kept, and of each that the command happened', () => {
  const ledger = new CommandLedger({ ...viewLimits, dedupe_count: 2, dedupe_reply_bytes: 100 });
  const answers = [1, 2, 3, 4].map((op): CommandAnswer => ({
    status: 'ok',
    response: { text: 'x'.repeat(50), op },
  }));
  for (const [op, answer] of answers.entries()) ledger.settle(`op${op}`, answer, op);
  const repeats = answers.map((_, op) => ledger.claim(`op${op}`, () => undefined));
  const forgotten = { status: 'error', response: { reason: 'already_executed' } };
  expect(repeats).toEqual([forgotten, forgotten, ...answers.slice(2)]);
});

test('no answer overtakes that of a command before it', async () => {
  const rig = new Rig(counter);
  const client = await rig.open();
  await client.dispatch('add', { by: 1 }, { opId: 'done' });
  const all = [
    client.send('add', { by: 1 }),
    client.send('add', { by: 1 }, { opId: 'done' }),
    new Promise<void>((resolve) => {
      const ticket = rig.ticket(() => resolve());
      rig.step({ type: 'answer', ticket, subscriber: 1, response: { reason: 'rate_limited' } });
    }),
  ];
  await rig.settle();
  await Promise.all(all);
  const tickets = rig.of('reply').map(({ ticket }) => ticket);
  expect(tickets).toEqual(tickets.toSorted((a, b) => a - b));
  expect(rig.of('reply').at(-1)?.response).toEqual({ reason: 'rate_limited' });
});

test('beyond its limit the queue refuses', async () => {
  const rig = new Rig(counter, { limits: { queued_tasks: 1 } });
  const client = await rig.open();
  const sent = Array.from({ length: 4 }, () => client.send('add', { by: 1 }));
  await rig.settle();
  const replies = await Promise.all(sent);
  expect(replies.map(({ response }) => response)).toEqual([
    {},
    {},
    { reason: 'overloaded' },
    { reason: 'overloaded' },
  ]);
});

test('beyond its limit the queue takes no message and no timer: the operator hears of it, and an interval goes on', async () => {
  const gate = new Gate();
  const view: ViewDefinition = {
    ...counter,
    mount: (ctx) => {
      ctx.every(1000, addOne);
      return { count: 0, label: 'a' };
    },
    messages: { add: { run: addOne } },
    commands: { wait: { run: () => gate.opened } },
  };
  const rig = new Rig(view, { limits: { queued_tasks: 1 } });
  const client = await rig.open();
  const waiting = client.send('wait', {});
  await rig.settle();
  const told = { type: 'tell', path: [], message: 'add', payload: {} } as const;
  rig.step(told);
  expect(rig.of('fault')).toEqual([]);
  rig.step(told);
  await rig.advance(1000);
  const overloaded = { error: { code: 'overloaded' } };
  expect(rig.of('fault')).toMatchObject([
    { where: 'message add', ...overloaded },
    { where: 'timer', ...overloaded },
  ]);
  gate.open();
  await waiting;
  await rig.settle();
  expect(client.tree).toMatchObject({ count: 1 });
  await rig.advance(1000);
  expect(client.tree).toMatchObject({ count: 2 });
});

test('a command that waited when its instance ended may run in another one; one that ran must not', async () => {
  const gate = new Gate();
  let runs = 0;
  const view: ViewDefinition = {
    ...counter,
    commands: {
      ...counter.commands,
      wait: {
        run: async () => {
          runs++;
          await gate.opened;
        },
      },
    },
  };
  const rig = new Rig(view);
  const { ledger, ...client } = await rig.open();
  const first = rig.clients.get(client.id);
  void first?.send('wait', {}, { opId: 'a' });
  void first?.send('add', { by: 1 }, { opId: 'b' });
  await rig.settle();
  first?.leave();
  const other = new Rig(view);
  const again = await other.open();
  // Without an id, for it is in no log.
  expect(await again.dispatch('wait', {}, { opId: 'a', ledger })).toEqual({
    error: { reason: 'internal_error' },
  });
  expect(await again.dispatch('add', { by: 1 }, { opId: 'b', ledger })).toEqual({});
  expect(again.tree).toMatchObject({ count: 1 });
  expect(runs).toBe(1);
});

test.each([
  ['gives up', () => Promise.resolve()],
  ['goes on, and finds its context closed', (ctx: ViewContext) => Promise.resolve(ctx.state)],
])(
  'a command that runs when its client leaves, and then %s, is nobody’s failure',
  async (_what, then) => {
    const gate = new Gate();
    const rig = new Rig({
      ...counter,
      commands: { wait: { run: (ctx) => gate.opened.then(async () => void (await then(ctx))) } },
    });
    const client = await rig.open();
    void client.send('wait');
    await rig.settle();
    client.leave();
    gate.open();
    await rig.settle();
    expect(rig.of('fault')).toEqual([]);
  },
);
