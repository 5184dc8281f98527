import { passthrough, record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { type Principal, scopes } from '@holdfast/server';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/host/clock.ts';
import type { Peer, WireFrame } from '../conversation/peer.ts';
import { everything, topic, type World, world } from '../conversation/world.ts';

type Note = { readonly [field: string]: unknown };

type Write = { readonly op: string; readonly path: string; readonly value?: unknown };

/** What is kept from somebody, and how. */
type Keeping = {
  /** Of who may not see it. */
  readonly eve: Partial<Principal>;
  readonly declare: (at: World) => void;
  /** What there is at first. */
  readonly begins: readonly Write[];
  /** Writes that must tell her nothing, by what they write; each takes one seq. */
  readonly hidden: (value: unknown) => readonly Write[];
  /** Writes that she may see. */
  readonly open: (value: number) => readonly Write[];
  /** What she asks about. */
  readonly paths: readonly string[];
};

const all = new Set(scopes.filter((scope) => scope !== 'admin'));
const readers = new Set(scopes.filter((scope) => !/admin|write|clone|create|delete/.test(scope)));
const spec = { store: 'demo/main', version: '1.0', schema: passthrough<Note>() } as const;
const Person = record({
  ...spec,
  name: 'person',
  path: 'a/:id',
  authority: { name: 'lww', mail: 'lww', bio: 'lww', plan: 'lww', tags: (mine) => mine },
  mutations: {
    call: { apply: (person, input) => person && { ...person, name: input } },
    begin: { apply: (person, input) => person ?? { name: input } },
  },
  visibility: { name: () => true, tags: () => true, plan: () => true, '*': () => false },
});
const Plan = record({
  ...spec,
  name: 'plan',
  path: 'a/:id/plan',
  visibility: { title: () => true, '*': () => false },
});
const Whole = record({
  ...spec,
  name: 'note',
  path: 'a/:id',
  schema: passthrough<{ readonly n?: number; readonly open?: boolean }>(),
  indexes: ['n', ['open', 'n']],
});

const keepings: { readonly [name: string]: Keeping } = {
  'path rules': {
    eve: {
      scopes: all,
      pathRules: [
        { pattern: 'a/1/**', allow: ['read', 'write'] },
        { pattern: 'a/*/open/**', allow: ['read'] },
      ],
    },
    declare: ({ server }) => server.record(Whole),
    begins: [{ op: 'set', path: 'a/2/kept/x', value: 1 }],
    hidden: (value) => [
      { op: 'set', path: 'a/2/kept/y', value },
      { op: 'set', path: 'b', value: { x: value } },
      { op: 'delete', path: 'a/2/kept/y' },
      { op: 'delete', path: 'b' },
    ],
    open: (value) => [
      { op: 'set', path: 'a/1/n', value },
      { op: 'set', path: 'a/2/open/n', value },
      { op: 'delete', path: 'a/1' },
    ],
    paths: ['a', 'a/1', 'a/1/n', 'a/2', 'a/2/open', 'a/2/kept', 'a/2/kept/y', 'b', 'b/x', 'c'],
  },
  'rules for fields': {
    eve: { scopes: all },
    declare: ({ server }) => {
      server.record(Person);
      server.record(Plan);
    },
    begins: ['1', '2'].map((id) => {
      const value = { name: 'N', mail: 'm', bio: { b: 1 }, plan: { title: 't', sum: { s: 1 } } };
      return { op: 'set', path: `a/${id}`, value };
    }),
    hidden: (value) => [
      { op: 'set', path: 'a/1/mail', value },
      { op: 'set', path: 'a/2/bio', value: { b: value } },
      { op: 'set', path: 'a/1/plan/sum', value: { s: value } },
      { op: 'merge', path: 'a/2', value: { mail: value } },
    ],
    open: (value) => [
      { op: 'set', path: 'a/1/name', value },
      { op: 'set', path: 'a/2/plan/title', value },
      { op: 'set', path: 'c', value },
    ],
    paths: ['a', 'a/1', 'a/1/name', 'a/1/mail', 'a/2/bio/b', 'a/1/plan', 'a/1/plan/sum', 'c'],
  },
  'rules for objects': {
    eve: { scopes: readers },
    declare: ({ server }) => {
      server.record(Whole, { read: (_ctx, _ref, note) => note.open === true });
    },
    begins: [{ op: 'set', path: 'a/1', value: { open: true, n: 1 } }],
    hidden: (value) => [
      { op: 'set', path: 'a/2', value: { n: value } },
      { op: 'set', path: 'a/3', value: { open: false, n: 1, more: value } },
      { op: 'delete', path: 'a/2' },
      { op: 'delete', path: 'a/3/n' },
    ],
    open: (value) => [
      { op: 'set', path: 'a/1', value: { open: value % 3 > 0, n: value } },
      { op: 'set', path: 'a/1/n', value },
      { op: 'delete', path: 'a/1' },
    ],
    paths: ['a', 'a/1', 'a/1/n', 'a/2', 'a/2/n', 'a/3', 'a/3/more', 'c'],
  },
};

const stepsMax = 16;

/** Something that is asked: the path it is about, another one, and a number. */
type Asked = { readonly path: string; readonly other: string; readonly n: number };

type Question = (ask: Eve, asked: Asked) => Promise<unknown>;

const questions: readonly Question[] = [
  ({ http }, { path, n }) => http('GET', `entries/${path}?at_seq=${n}`),
  ({ http }, { path }) => http('HEAD', `entries/${path}`),
  ({ http }, { path, n }) => http('PUT', `entries/${path}`, n),
  ({ http }, { path, n }) => http('DELETE', 'entries', { path, if_match: n }),
  ({ http }, { path, n }) => http('GET', `entries?pattern=${path}/**&limit=${1 + (n % 3)}`),
  ({ http }, { other, n }) =>
    http('GET', `entries?after=${other}&limit=${1 + (n % 3)}&at_seq=${n}`),
  ({ http }, { path }) => http('GET', `entries?pattern=${path}/**&select=prefixes&limit=1`),
  ({ http }, { path, other }) => http('GET', `entries?from=${path}&to=${other}~&order=desc`),
  ({ http }, { path, other }) =>
    http('POST', 'entries/batch', { paths: [path, other], subtrees: true }),
  ({ http }, { path, other, n }) =>
    http('POST', 'transact', {
      ops: [{ op: 'set', path, value: n }],
      preconditions: [{ path: other, if_match: n }],
    }),
  ({ http }, { path, other, n }) =>
    http('POST', 'transact', {
      ops: [{ op: 'increment', path, value: n }],
      preconditions: [{ path: other, equals: n }],
    }),
  ({ http }, { n }) => http('GET', `log?limit=${1 + n}&page=1`),
  ({ http }, { path, n }) => http('GET', `log?path=${path}/**&before_seq=${n}`),
  ({ http }, { n }) => http('GET', `diff?from_seq=${n}`),
  ({ http }) => http('GET', 'export'),
  ({ http }) => http('GET', 'export?format=tar'),
  ({ http }, { path, n }) => http('POST', 'rollback', { path, to_seq: n }),
  ({ http }, { path }) => http('GET', `explain?path=${path}&op=set`),
  ({ http }, { n }) => http('POST', 'clone', { name: `copy${n}` }),
  ({ http }) => http('GET', ''),
  ({ push }, { path, n }) => push('write', { op: 'merge', path, value: { n } }),
  ({ push }, { path }) => push('write', { op: 'lease', path, ttl_ms: 86_400_000 }),
  ({ push }, { path, n }) => push('write', { op: 'release', path, token: n }),
  ({ push }, { path, other, n }) =>
    push('write', { op: 'set', path, value: 1, fence: { key: other, token: n } }),
  ({ push }, { path, n }) => push('rollback', { path, to_seq: n }),
  ({ push }) => push('status', {}),
  ({ push }, { path }) => push('scope', { add: [`${path}/**`] }),
  ({ push }, { n }) => push('query_open', queries(n)),
  ({ push }, { path, n }) => push('query_open', { ...queries(n), have: { [path]: n, 'a/2': n } }),
  ({ push }, { n }) => push('query_close', { sub: `q${n % 3}` }),
  ({ tool }, { path }) => tool('holdfast_get', { path }),
  ({ tool }, { path, n }) => tool('holdfast_entries', { pattern: `${path}/**`, limit: 1 + n }),
  ({ tool }, { n }) => tool('holdfast_diff', { from_seq: n }),
  ({ tool }) => tool('holdfast_export', {}),
  ({ push }, { path, n }) => push('write', mutation(path, n)),
  ({ push }, { path, other, n }) =>
    push('transact', {
      ops: [mutation(path, n), mutation(other, n + 1)],
      preconditions: [{ path: other, if_match: n }],
    }),
  // By the device of who has written what is kept, and all ids: one of the twins has used some of them.
  ({ push }) =>
    Promise.all(
      Array.from({ length: stepsMax }, (_, index) =>
        push('op_status', { client_op_id: `t${index}` }),
      ),
    ),
  ({ join }, { n }) => join({ last_store_seq: n }, '4'),
  ({ join }, { n }) => join({ last_store_seq: n }, '3'),
  ({ join }, { path }) => join({ last_store_seq: 0, patterns: [`${path}/**`] }, '4'),
];

/** One of some queries, of records that are not all declared; what it shows is told from then on. */
function queries(n: number): object {
  const [name, by] = of([['note', 'n'] as const, ['person', 'name'], ['plan', 'title']], n);
  const where = n % 2 === 0 ? {} : { open: true };
  const orderBy = [[by, n % 4 < 2 ? 'asc' : 'desc']];
  return { sub: `q${n % 3}`, record: name, spec: { where, orderBy, limit: 1 + (n % 3) } };
}

/** One of the mutations of a person, declared or merging, with fields that are hidden or not. */
function mutation(path: string, n: number): object {
  // A guess that may be right.
  const field = of(['name', 'mail', 'tags', 'bio'], n >> 1);
  const merge = { name: 'holdfast:merge', value: { set: { [field]: n % 2 > 0 }, base: {} } };
  const asked = of([merge, { name: 'call', value: n }, merge, { name: 'begin', value: n }], n >> 3);
  return { op: 'mutate', path, record: 'person', ...asked };
}

/** What tells nothing, or is drawn anew for each answer. */
const passed = new Set(['date', 'x-request-id', 'connection', 'keep-alive']);

/** One of two servers, with those who use it. */
class Twin {
  readonly eve: Eve;
  readonly #dev: Peer;
  readonly #live: readonly Peer[];
  readonly #heard = new Map<Peer, number>();
  readonly #names = new Map<string, string>();

  private constructor(at: World, dev: Peer, live: readonly Peer[]) {
    this.#dev = dev;
    this.#live = live;
    this.eve = new Eve(at, () => this.#live[0] ?? dev);
  }

  static async begin({ eve, declare, begins }: Keeping): Promise<Twin> {
    const clock = { ...systemClock, wall: () => 1_800_000_000_000 };
    const at = await world({
      clock,
      // However slow one of them is, both answer.
      limits: { write_queue_ms: 600_000 },
      storage: memory({ now: clock.wall }),
      authenticate: async ({ token }) =>
        token === 'dev' ? everything : { ...everything, subject: 'eve', ...eve },
    });
    declare(at);
    const dev = await at.joined({ device: 'dev' });
    const knocks = [{}, { capver: '3' }, { vsn: '3.0.0' }];
    const live: Peer[] = [];
    const twin = new Twin(at, dev, live);
    await twin.write(begins, 'begins');
    for (const [device, knock] of knocks.entries()) {
      // oxlint-disable-next-line no-await-in-loop -- in one order on both
      live.push(
        await at.joined({ token: 'eve', device: device === 0 ? 'dev' : `e${device}`, ...knock }),
      );
    }
    return twin;
  }

  /** Commits as one that may do everything; how many seqs there are then. */
  async write(ops: readonly Write[], id: string): Promise<unknown> {
    const { status, response } = await this.#dev.ask(topic, 'transact', { client_op_id: id, ops });
    return [status, response['store_seq'], response['reason']];
  }

  /** All that came to her by now, but for what was drawn by lot: by what it is known everywhere. */
  async heard(answer: unknown): Promise<string> {
    const told: unknown[] = [answer];
    for (const peer of this.#live) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await peer.ask(topic, 'status', {});
      told.push(inOrder(peer.heard.slice(this.#heard.get(peer) ?? 0)));
      this.#heard.set(peer, peer.heard.length);
    }
    const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
    return JSON.stringify(told, null, 1).replace(uuid, (id) => {
      const name = this.#names.get(id) ?? `id ${this.#names.size}`;
      this.#names.set(id, name);
      return name;
    });
  }
}

/** Frames, with all ops together: how many are put into one frame is a matter of time. */
function inOrder(frames: readonly WireFrame[]): object {
  const ops = frames.flatMap(([, , , event, payload]) =>
    event === 'events' ? payload['ops'] : [],
  );
  return { ops, others: frames.filter(([, , , event]) => event !== 'events') };
}

/** Somebody who may not see what is kept from her, and asks in every way. */
class Eve {
  readonly #at: World;
  readonly #peer: () => Peer;
  #ids = 0;

  constructor(at: World, peer: () => Peer) {
    this.#at = at;
    this.#peer = peer;
  }

  readonly http = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = {
      authorization: 'Bearer eve',
      'accept-encoding': 'identity',
      'content-type': 'application/json',
    };
    const address = `${this.#at.url}/api/stores/demo/main${path === '' ? '' : `/${path}`}`;
    const answer = await fetch(address, { method, headers, ...sent });
    const told = [...answer.headers].filter(([name]) => !passed.has(name));
    return [answer.status, told, await answer.text()];
  };

  /** What an agent is told by a tool (stores.md §19.1). */
  readonly tool = async (name: string, told: object): Promise<unknown> => {
    const params = { name, arguments: { store: 'demo/main', ...told } };
    const answer = await fetch(`${this.#at.url}/mcp`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer eve',
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    });
    return [answer.status, await answer.text()];
  };

  readonly push = (event: string, payload: object): Promise<unknown> =>
    this.#peer().ask(topic, event, { client_op_id: this.#next(), ...payload });

  readonly join = async (payload: object, capver: string): Promise<unknown> => {
    const peer = await this.#at.connect({ token: 'eve', device: this.#next(), capver });
    const { status } = await peer.join(topic, payload);
    if (status === 'ok') await peer.caughtUp();
    peer.cut();
    return inOrder(peer.heard);
  };

  #next(): string {
    this.#ids += 1;
    return `eve${this.#ids}`;
  }
}

const many = fc.nat(1_000_000);
const value = fc.oneof(fc.boolean(), fc.integer(), fc.string({ maxLength: 300 }));
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kept: fc.tuple(many, value, many, value), open: many }) },
  { weight: 3, arbitrary: fc.record({ question: many, path: many, other: many, n: fc.nat(20) }) },
);

const of = <T>(list: readonly T[], at: number): T => {
  const item = list[at % list.length];
  if (item === undefined) throw new Error('There is nothing to choose from.');
  return item;
};

/** Two servers that differ only in what is kept from somebody answer alike, whatever is asked. */
test.each(Object.entries(keepings))(
  'S102 R228 nothing that somebody is told, in any way, differs by what %s keep from them',
  async (_, keeping) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: stepsMax }), async (steps) => {
        const twins = [await Twin.begin(keeping), await Twin.begin(keeping)] as const;
        for (const [index, each] of steps.entries()) {
          const told: string[] = [];
          for (const [side, twin] of twins.entries()) {
            let answer: unknown = null;
            if ('kept' in each) {
              const [one, a, another, b] = each.kept;
              const [which, what] = side === 0 ? [one, a] : [another, b];
              const kept = of(keeping.hidden(what), which);
              const ops =
                each.open % 2 === 0 ? [kept] : [kept, of(keeping.open(each.open), each.open)];
              // oxlint-disable-next-line no-await-in-loop -- one after the other
              answer = await twin.write(
                ops,
                `${ops.length === 1 && side === 1 ? 'u' : 't'}${index}`,
              );
            } else {
              const [path, other] = [of(keeping.paths, each.path), of(keeping.paths, each.other)];
              // oxlint-disable-next-line no-await-in-loop -- the same
              answer = await of(questions, each.question)(twin.eve, { path, other, n: each.n });
            }
            // oxlint-disable-next-line no-await-in-loop -- the same
            told.push(await twin.heard(answer));
          }
          expect(told[1]).toBe(told[0]);
        }
      }),
      { numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 4) },
    );
  },
);
