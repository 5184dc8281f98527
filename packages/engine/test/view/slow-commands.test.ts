import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import { UploadBook } from '@holdfast/engine/mirror/uploads';
import {
  KEEP,
  type StreamDefinition,
  type ViewContext,
  type ViewDefinition,
} from '@holdfast/engine/view';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gate, Rig, type ViewClient } from './instance-rig.ts';
import { object } from './schemas.ts';
import type { TestHandle } from './test-stores.ts';

/*
 * Commands that take their time, while loads arrive, timers ring, stores change, files come and go, and who watches lags,
 * leaves and comes back: held against what who comes anew is shown, and against the server's tree.
 */

/** What a command does, each with an id of an item and a place for it. */
const acts = {
  insert: (ctx, id, at) => ctx.stream('log').insert({ id, v: at }, { at }),
  update: (ctx, id, at) => ctx.stream('log').update({ id, u: at }),
  delete: (ctx, id) => ctx.stream('log').delete({ id }),
  reset: (ctx) => ctx.stream('log').reset([{ id: 8 }, { id: 9 }]),
  start: (ctx) => ctx.async.start('profile'),
  list: (ctx) => ctx.async.start('list'),
  relist: (ctx) => ctx.async.start('list', null, { reset: true }),
  cancel: (ctx) => ctx.async.cancel('profile'),
  count: (ctx) => ctx.update((s: State) => void s.n++),
  flip: (ctx) => ctx.update((s: State) => void (s.has = !s.has)),
  tell: (ctx) => void ctx.tell(['c'], 'log', 3),
  send: (ctx) => ctx.send('said', {}),
  drop: (ctx) => {
    const [entry] = ctx.uploads.entries('files');
    if (entry !== undefined) ctx.uploads.cancel('files', entry.ref);
  },
  consume: async (ctx) => {
    await ctx.uploads.consume('files', ({ name, size }) => (size % 2 === 1 ? KEEP : name));
  },
} satisfies {
  [name: string]: (ctx: ViewContext, id: number, at: number) => void | Promise<void>;
};

type State = { n: number; t: number; w: unknown; has: boolean; bad: boolean };

const often = ['insert', 'insert', 'update', 'update', 'start'];
const kinds = [...often, ...Object.keys(acts)] as (keyof typeof acts)[];
const act = fc.record({
  what: fc.constantFrom(...kinds),
  id: fc.nat(4),
  at: fc.integer({ min: -1, max: 3 }),
});
const happening = fc.record({
  what: fc.oneof(
    { weight: 2, arbitrary: fc.constant('land' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        ...(['lag', 'recover', 'leave', 'resume', 'turn', 'second'] as const),
        ...(['allow', 'bytes', 'done', 'uncancel', 'put', 'quick'] as const),
      ),
    },
  ),
  n: fc.nat(4),
});
type Happening = typeof happening extends fc.Arbitrary<infer One> ? One : never;

/** Loads start; then a command, in phases between which it waits, and what happens then; how it ends, and what follows. */
const round = fc.record({
  reset: fc.boolean(),
  phases: fc.array(
    fc.record({
      acts: fc.array(act, { maxLength: 4, size: 'max' }),
      meanwhile: fc.array(happening, { maxLength: 5, size: 'max' }),
    }),
    { minLength: 1, maxLength: 3, size: 'max' },
  ),
  ends: fc.constantFrom(
    ...(['well', 'well', 'well', 'well', 'well', 'well', 'throws', 'spoils'] as const),
  ),
  after: fc.array(happening, { maxLength: 4, size: 'max' }),
});
type Round = typeof round extends fc.Arbitrary<infer One> ? One : never;
type Slow = Pick<Round, 'ends'> & {
  readonly phases: readonly (Round['phases'][number] & { readonly gate: Gate })[];
};

async function runSlow(ctx: ViewContext, { phases, ends }: Slow): Promise<void> {
  for (const phase of phases) {
    // oxlint-disable no-await-in-loop -- one after the other
    for (const { what, id, at } of phase.acts) await acts[what](ctx, id, at);
    await phase.gate.opened;
    // oxlint-enable no-await-in-loop
  }
  if (ends === 'throws') throw new Error('no');
  if (ends === 'spoils') ctx.update((s: State) => void (s.bad = true));
}

const kept = (ctx: ViewContext): unknown => (ctx.store('s') as TestHandle).get('k') ?? null;

type Waiting = ((items: readonly object[]) => void)[];

function rootOf(
  scope: 'shared' | 'connection',
  log: StreamDefinition,
  waiting: Waiting,
): ViewDefinition {
  const load = (): Promise<unknown> => new Promise((resolve) => void waiting.push(resolve));
  const list = { stream: 'log', load };
  const card: ViewDefinition = {
    name: 'card',
    streams: { log },
    async: { list },
    mount: (ctx) => {
      ctx.stream('log').insert({ id: 0 });
      return {};
    },
    render: (_, h) => ({ list: h.async('list') }),
    messages: {
      log: {
        run: (ctx, id) => {
          ctx.stream('log').insert({ id });
          ctx.async.start('list');
        },
      },
    },
  };
  return {
    name: 'root',
    scope,
    streams: { log },
    events: { said: object({}) },
    uploads: { files: { accept: 'any', maxEntries: 3 } },
    async: { profile: { stream: null, load }, list },
    mount: (ctx): State => {
      ctx.every(300, (task) => {
        task.stream('log').insert({ id: 7, n: 1 }, { at: 1 });
        task.update((s: State) => void s.t++);
      });
      ctx.watch(
        () => kept(ctx),
        (task, value) => task.update((s: State) => void (s.w = value)),
      );
      return { n: 0, t: 0, w: null, has: true, bad: false };
    },
    render: (state, h, ctx) => {
      const { bad, has, ...shown } = state as State;
      if (bad) throw new Error('bad');
      const [profile, found, files] = [h.async('profile'), h.async('list'), h.upload('files')];
      return { ...shown, k: kept(ctx), profile, found, files, c: has ? h.child(card, 'c') : null };
    },
    commands: {
      quick: {
        run: (ctx) => {
          ctx.stream('log').insert({ id: 5 });
          ctx.update((s: State) => void s.n++);
        },
      },
      load: {
        run: (ctx, options) => {
          ctx.async.start('profile');
          ctx.async.start('list', null, options as { readonly reset: boolean });
        },
      },
      read: { run: (ctx, take) => (take as (items: unknown) => void)(ctx.stream('log').items()) },
      slow: { run: (ctx, slow) => runSlow(ctx, slow as Slow) },
    },
  };
}

const rootId = 'root:main';
/** Of a list. */
const limit = 3;

/** A subscriber, and what a client of ours makes of what it is sent. */
class Copy {
  readonly client: ViewClient;
  isLagging = false;
  readonly #mirror = new Mirror({ freeze: true });
  #taken = 0;

  constructor(client: ViewClient) {
    this.client = client;
    this.#mirror.useReader(new UploadBook());
    this.joined(false);
  }

  joined(resumed: boolean): void {
    this.#mirror.joined({ rootId, capver: 4, resumed });
  }

  take(): void {
    const fresh = this.client.heard.slice(this.#taken);
    this.#taken += fresh.length;
    for (const { base, version, tail } of fresh) {
      const told = { type: 'patch', root_id: rootId, base_version: base, version };
      expect(this.#mirror.take({ ...told, ...tail.content })).not.toBeNull();
    }
  }

  get shown(): unknown {
    return this.#mirror.snapshot(nodeKey([]));
  }

  get tree(): unknown {
    return this.#mirror.tree;
  }
}

/** An instance that is being played with. */
class Play {
  readonly rig: Rig;
  readonly copies: Copy[] = [];
  readonly #waiting: Waiting;

  constructor(rig: Rig, waiting: Waiting) {
    this.rig = rig;
    this.#waiting = waiting;
  }

  async open(count: number): Promise<void> {
    this.rig.stores.put('s', 'k', 1);
    this.copies.push(new Copy(await this.rig.open()));
    for (let id = 2; id <= count; id++) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      this.copies.push(new Copy(await this.rig.join({ id })));
    }
  }

  async round({ reset, phases, ends, after }: Round): Promise<void> {
    const slow: Slow = { ends, phases: phases.map((phase) => ({ ...phase, gate: new Gate() })) };
    const there = this.copies.find(({ client }) => client.isConnected);
    void there?.client.send('load', { reset });
    void there?.client.send('slow', slow);
    // oxlint-disable no-await-in-loop -- one after the other
    for (const { meanwhile, gate } of slow.phases) {
      await this.rig.settle();
      for (const one of meanwhile) await this.#happen(one);
      gate.open();
    }
    await this.#check();
    for (const one of after) await this.#happen(one);
    // oxlint-enable no-await-in-loop
    await this.rig.advance(1000);
  }

  /** What is held is what those have who have been sent all of it, and no more than may be. */
  async #check(): Promise<void> {
    const there = this.copies.find(({ client }) => client.isConnected);
    let held: readonly unknown[] = [];
    void there?.client.send('read', (items: readonly unknown[]) => (held = items));
    await this.rig.settle();
    expect(held.length).toBeLessThanOrEqual(limit);
    if (there === undefined) return;
    for (const { client, isLagging } of this.copies) {
      if (client.isConnected && !isLagging) expect(client.items('log')).toEqual(held);
    }
  }

  /** All come back who are away, and all is sent that was not. */
  async end(): Promise<void> {
    await this.rig.advance(5000);
    for (const [n, { client }] of this.copies.entries()) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      if (!client.isConnected) await this.#happen({ what: 'resume', n });
      this.rig.step({ type: 'recovered', subscriber: client.id });
    }
    await this.rig.settle();
    for (const copy of this.copies) copy.take();
  }

  async #happen({ what, n }: Happening): Promise<void> {
    const { rig } = this;
    const copy = this.copies[n % this.copies.length];
    if (what === 'turn') await rig.settle();
    else if (what === 'second') await rig.advance(500);
    else if (what === 'put') rig.stores.put('s', 'k', n);
    else if (what === 'land') await this.#land(n);
    else if (what === 'bytes') this.#receive(n, 10 * n);
    else if (what === 'done') this.#receive(n, 100);
    else if (copy === undefined) return;
    else if (what === 'resume') await this.#resume(copy);
    else if (copy.client.isConnected) this.#ask(copy, what, n);
  }

  async #land(n: number): Promise<void> {
    // Of the last ones: older runs of a load come to nothing.
    const [land] = this.#waiting.splice(-1 - (n % 3), 1);
    land?.([{ id: n }, { id: n + 1 }]);
    await this.rig.settle();
  }

  #receive(n: number, progress: number): void {
    const ref = this.#refOf(n);
    if (ref !== null) this.rig.step({ type: 'received', ref, progress });
  }

  async #resume(copy: Copy): Promise<void> {
    const { id, isConnected, version } = copy.client;
    if (isConnected) return;
    const known = this.rig.of('attached').length;
    this.rig.attach({ id, resume: version });
    await this.rig.settle();
    const told = this.rig.of('attached').slice(known);
    const { resumed } = told.find(({ subscriber }) => subscriber === id) ?? {};
    expect(resumed).toBeDefined();
    copy.joined(resumed === true);
    copy.isLagging = false;
  }

  /** What the client of a copy does, or what becomes of its socket. */
  #ask(copy: Copy, what: Happening['what'], n: number): void {
    const { rig } = this;
    const { client } = copy;
    const subscriber = client.id;
    if (what === 'lag' || what === 'recover') copy.isLagging = what === 'lag';
    const of = { subscriber, store_id: [], name: 'files' };
    if (what === 'quick') void client.send('quick');
    else if (what === 'lag') rig.step({ type: 'lagging', subscriber });
    else if (what === 'recover') rig.step({ type: 'recovered', subscriber });
    else if (what === 'leave') {
      copy.take();
      client.leave(true);
    } else if (what === 'allow') {
      const entries = [{ client_ref: '0', name: 'x', size: 10 + n, type: '' }];
      rig.step({ type: 'allow_upload', ticket: rig.ticket(nothing), ...of, entries });
    } else {
      const ref = this.#refOf(n, subscriber);
      if (ref === null) return;
      rig.step({ type: 'cancel_upload', ticket: rig.ticket(nothing), ...of, ref });
    }
  }

  #refOf(n: number, subscriber?: number): string | null {
    const all = this.rig.of('opened').map(({ target }) => target);
    const refs = all.filter((target) => (subscriber ?? target.subscriber) === target.subscriber);
    return refs[n % Math.max(1, refs.length)]?.ref ?? null;
  }
}

function nothing(): void {
  // Nobody waits for the answer.
}

/** What one is shown who has nothing yet. */
function anew(rig: Rig, client: ViewClient): Copy {
  client.leave(true);
  client.heard.length = 0;
  Object.assign(client, { tree: null, version: 0 });
  // No log has it.
  rig.attach({ id: client.id, resume: -100 });
  const copy = new Copy(client);
  copy.take();
  return copy;
}

const definitions = fc.constantFrom<StreamDefinition>(
  { limit, retain: true },
  { limit, retain: true, trim: 'start' },
  { limit, retain: true, trim: 'end' },
);
const numRuns = Number(process.env['PROPERTY_RUNS'] ?? 150);

test.each(['connection', 'shared'] as const)(
  'V38 V41 V61 V70 whatever happens to a %s view while commands take their time, all see what is there, and no list is longer than it may be',
  async (scope) => {
    await fc.assert(
      fc.asyncProperty(
        definitions,
        fc.nat(6),
        fc.array(round, { minLength: 1, maxLength: 6, size: 'max' }),
        async (definition, logged, rounds) => {
          const waiting: Waiting = [];
          const root = rootOf(scope, definition, waiting);
          const play = new Play(new Rig(root, { limits: { log_count: logged } }), waiting);
          await play.open(scope === 'shared' ? 3 : 1);
          // oxlint-disable-next-line no-await-in-loop -- one after the other
          for (const one of rounds) await play.round(one);
          await play.end();
          for (const { client, shown, tree } of play.copies) {
            expect(tree).toEqual(play.rig.instance.tree);
            expect(shown).toEqual(anew(play.rig, client).shown);
          }
          const faults = play.rig.of('fault').map(({ error }) => String(error));
          expect(faults.filter((text) => !/: (no|bad)$/u.test(text))).toEqual([]);
        },
      ),
      { numRuns },
    );
  },
);
