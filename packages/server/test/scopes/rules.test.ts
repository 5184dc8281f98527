import type { PathRule } from '@holdfast/server';
import { Tree } from '@holdfast/engine/data';
import { asPath, flatten, type Json } from '@holdfast/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer, WireFrame } from '../conversation/peer.ts';
import { principals } from '../conversation/principals.ts';
import { LegacyReplica, stateOf } from '../conversation/replica.ts';
import {
  ask,
  dialects,
  hear,
  type HeardOp,
  opsIn,
  put,
  reasonOf,
  seqOf,
  tongues,
  write,
} from '../conversation/talk.ts';
import { topic, world, type World } from '../conversation/world.ts';
import { inScope, PartReplica, scopeOf, visible } from './part.ts';

const names = ['ab', 'cd', 'ef', 'g*h'] as const;
const segments = fc.constantFrom(...names);
const paths = fc
  .array(segments, { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map((each, at) => `${each}${at}`).join('/'));
const patterns = fc
  .tuple(
    fc.array(fc.oneof(segments, fc.constant('*')), { minLength: 1, maxLength: 3 }),
    fc.boolean(),
  )
  .map(([parts, isOpen]) =>
    [
      ...parts.map((each, at) => (each === '*' ? each : `${each}${at}`)),
      ...(isOpen ? ['**'] : []),
    ].join('/'),
  );

let secrets = 0;
/** A value that occurs nowhere else. */
function secret(): string {
  secrets += 1;
  return `secret-${secrets}-`;
}

const leaf = fc.nat().map(() => secret());
const maps = fc.dictionary(
  segments,
  fc.oneof(leaf, fc.dictionary(segments, leaf, { maxKeys: 2 })),
  { maxKeys: 3 },
);

type Step = { readonly op: string; readonly path: string; readonly value?: unknown };

/** Members get the depth of where they end up as part of their name, as paths do. */
function deepen(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [`${key}${depth}`, deepen(child, depth + 1)]),
  );
}

const steps: fc.Arbitrary<Step> = fc
  .oneof(
    fc.record({ op: fc.constant('set'), path: paths, value: fc.oneof(leaf, maps) }),
    fc.record({ op: fc.constant('merge'), path: paths, value: maps }),
    fc.record({ op: fc.constant('delete'), path: paths }),
    fc.record({ op: fc.constant('add'), path: paths, value: leaf }),
  )
  .map((step: Step) =>
    'value' in step
      ? { op: step.op, path: step.path, value: deepen(step.value, step.path.split('/').length) }
      : step,
  );

const read = (list: readonly string[]): PathRule[] =>
  list.map((pattern) => ({ pattern, allow: ['read'] }));

async function stateIn(at: World): Promise<Tree> {
  const tree = Tree.empty();
  for (const [path, { value, revision }] of (await stateOf(at)).leaves) {
    tree.put(asPath(path), { value: value as Json, type: 'string', revision });
  }
  return tree;
}

type Written = readonly (readonly [path: string, text: string])[];

/** The leaves that ops wrote, with their values as text. */
function writtenBy(ops: readonly HeardOp[]): Written {
  return ops.flatMap(({ op, path, value }) => {
    const isMap = op === 'set' || op === 'merge';
    const leaves = isMap ? flatten(asPath(path), value as Json) : [[path, value] as const];
    return leaves.map(([leafPath, each]) => [leafPath, JSON.stringify(each)] as const);
  });
}

function secretsIn(text: string): readonly string[] {
  return text.match(/secret-\d+-/g) ?? [];
}

/** Every path that a peer has been told of, be it in an op or in a snapshot. */
function checkPaths(peer: Peer, rules: readonly string[], history: Written): void {
  const mine = history.filter(([path]) => inScope(rules, path));
  const ops = opsIn(peer.heard);
  for (const [path] of writtenBy(ops.filter(({ op }) => op !== 'delete'))) {
    expect(inScope(rules, path), path).toBe(true);
  }
  for (const { op, path } of ops) {
    // A delete may lie above what it removed.
    const isOnTheWay = mine.some(([own]) => own.startsWith(`${path}/`));
    expect(inScope(rules, path) || isOnTheWay, `${op} ${path}`).toBe(true);
  }
  for (const [, , , event, payload] of peer.heard) {
    if (event !== 'snapshot_chunk') continue;
    for (const [path] of payload['entries'] as [string][]) expect(inScope(rules, path)).toBe(true);
    for (const [path] of payload['maps'] as [string][]) {
      expect(scopeOf(rules).coversSubtree(asPath(path))).toBe(true);
    }
  }
}

function checkSecrets(peer: Peer, rules: readonly string[], history: Written): void {
  const mine = history.filter(([path]) => inScope(rules, path));
  const known = new Set(mine.flatMap(([, text]) => secretsIn(text)));
  const heard = secretsIn(JSON.stringify(peer.heard));
  expect(heard.filter((each) => !known.has(each))).toEqual([]);
}

test.each(tongues)(
  'S102 on %s, by random rules and random ops, live, by tail and by snapshot a reader ends with what it may read, and never hears of the rest',
  async (_name, knock) => {
    const isOld = knock.capver === '3';
    await fc.assert(
      fc.asyncProperty(
        fc.array(patterns, { minLength: 1, maxLength: 3 }),
        fc.array(steps, { minLength: 1, maxLength: 25 }),
        fc.nat(24),
        async (rules, all, half) => {
          const at = await world({
            authenticate: principals({ reader: { pathRules: read([...rules, 'end']) } }),
          });
          const may = [...rules, 'end'];
          const writer = await at.joined({ device: 'w', capver: '3' });
          const token = { ...knock, token: 'reader' };
          const live = await at.joined({ ...token, device: 'live' });
          const late = await at.joined({ ...token, device: 'late' });
          const replica = isOld ? new OldReplica() : new PartReplica();
          for (const [i, { op, path, ...more }] of all.entries()) {
            await write(writer, op, path, more);
            if (i === half) late.cut();
          }
          const last = seqOf(await write(writer, 'set', 'end', { value: 'end' }));
          replica.take(late);
          const tail = await at.connect({ ...token, device: 'late' });
          await tail.join(topic, replica.join());
          await tail.caughtUp();
          replica.follow();
          replica.take(tail);
          const ahead = { last_store_seq: isOld ? 9999 : 0 };
          const fresh = await at.joined({ ...token, device: 'fresh' }, ahead);
          await hear(live, last);
          const expected = visible(await stateIn(at), may);
          expect(replica.values).toEqual(expected);
          for (const peer of [live, fresh]) {
            const other = isOld ? new OldReplica() : new PartReplica();
            other.take(peer);
            expect(other.values).toEqual(expected);
          }
          const history = writtenBy(opsIn(writer.heard));
          for (const peer of [live, late, tail, fresh]) {
            checkPaths(peer, may, history);
            checkSecrets(peer, may, history);
          }
        },
      ),
      { numRuns: 30 },
    );
  },
  120_000,
);

function isNotice([, , , event]: WireFrame): boolean {
  return event === 'lease_expired';
}

/** A capver-3 client's cache, as {@link PartReplica} in its ways. */
class OldReplica {
  readonly #cache = new LegacyReplica();
  #cursor = 0;

  take(peer: Peer): void {
    for (const op of opsIn(peer.heard)) {
      this.#cache.apply(op);
      this.#cursor = Math.max(this.#cursor, op.seq);
    }
  }

  join(): object {
    return { last_store_seq: this.#cursor };
  }

  follow(): void {
    // Each frame says by itself where it belongs.
  }

  get values(): object {
    return Object.fromEntries(this.#cache.leaves);
  }
}

test.each(dialects)(
  'S102 on %s writes outside the rules, or that remove what they hide, are refused, and name the request only',
  async (_name, knock) => {
    const pathRules: PathRule[] = [{ pattern: 'mine/**', allow: ['read', 'write'] }];
    const { joined } = await world({ authenticate: principals({ me: { pathRules } }) });
    const owner = await joined({ device: 'w' });
    await put(owner, 'all/mine', 1);
    const peer = await joined({ ...knock, token: 'me' });
    const forbidden = { reason: 'path_not_allowed', message: expect.any(String) };
    expect(seqOf(await write(peer, 'set', 'mine/a', { value: 1 }))).toBe(2);
    for (const [op, path, more] of [
      ['set', 'theirs/a', { value: 1 }],
      ['set', 'theirs/a', { value: 1, if_absent: true }],
      ['merge', 'theirs', { value: { a: 1 } }],
      ['delete', 'all', {}],
      ['increment', 'all', { value: 1 }],
      ['lease', 'theirs/l', {}],
      ['set', 'mine/a', { value: 1, fence: { key: 'theirs/l', token: 7 } }],
    ] as const) {
      expect((await write(peer, op, path, more)).response).toEqual({ ...forbidden, path });
    }
    // What is wrong in itself is told first (stores.md §7.7), and the channel lives on.
    expect(reasonOf(await write(peer, 'increment', 'theirs', { value: 'x' }))).toBe(
      'increment_requires_number_value',
    );
    expect(seqOf(await write(peer, 'set', 'mine/b', { value: 1 }))).toBe(3);
  },
);

test('S102 on capver 3 what may be written but not read is not written; on capver 4 it is a box to drop things in', async () => {
  const pathRules: PathRule[] = [
    { pattern: 'mine/**', allow: ['read', 'write'] },
    { pattern: 'box/**', allow: ['write'] },
  ];
  const drop = { pathRules: pathRules.slice(1) };
  const { joined, connect } = await world({
    authenticate: principals({ me: { pathRules }, drop }),
  });
  const old = await joined({ token: 'me', capver: '3', device: 'old' });
  expect(reasonOf(await write(old, 'set', 'box/1', { value: 'x' }))).toBe('path_not_allowed');
  const peer = await joined({ token: 'me' });
  expect(seqOf(await write(peer, 'set', 'box/1', { value: 'dropped' }))).toBe(1);
  const guarded = await write(peer, 'set', 'box/1', { value: 'x', if_match: 9 });
  expect(reasonOf(guarded)).toBe('path_not_allowed');
  const transaction = { ops: [{ op: 'set', path: 'box/2', value: 1 }] };
  const peek = { preconditions: [{ path: 'box/1', equals: 'dropped' }] };
  const asked = { client_op_id: 'peek', ...transaction, ...peek };
  expect((await peer.ask(topic, 'transact', asked)).response).toMatchObject({
    reason: 'path_not_allowed',
    path: 'box/1',
    precondition_index: 0,
  });
  const blind = await connect({ token: 'drop', device: 'blind' });
  const nothing = { last_store_seq: 0, patterns: [] };
  const { permissions } = (await blind.join(topic, nothing)).response;
  expect(permissions).toEqual({ read: false, write: true });
  expect(seqOf(await write(blind, 'set', 'box/3', { value: 1 }))).toBe(2);
  expect(JSON.stringify([old, peer, blind].map(({ heard }) => heard))).not.toContain('dropped');
});

test('S102 status counts and lists what may be read', async () => {
  const { joined } = await world({
    authenticate: principals({ me: { pathRules: read(['mine/**']) } }),
  });
  const owner = await joined({ device: 'w' });
  for (let i = 0; i < 20; i += 1) await put(owner, i < 3 ? `mine/${i}` : `theirs/${i}`, i);
  await write(owner, 'delete', 'theirs');
  const peer = await joined({ token: 'me' });
  const { response } = await peer.ask(topic, 'status', {});
  expect(response).toMatchObject({ entry_count: 3, op_count: 3, db_size_bytes: 0 });
  expect((response['recent_ops'] as { path: string }[]).map(({ path }) => path)).toEqual([
    'mine/2',
    'mine/1',
    'mine/0',
  ]);
  expect(response['permissions']).toEqual({ read: true, write: false });
  const whole = (await owner.ask(topic, 'status', {})).response;
  expect(whole).toMatchObject({ entry_count: 3, op_count: 21 });
});

test('S102 a repeat that a snapshot swallowed is echoed as far as it may be read', async () => {
  const pathRules: PathRule[] = [{ pattern: 'mine/a/**', allow: ['read', 'write'] }];
  const { joined, connect } = await world({ authenticate: principals({ me: { pathRules } }) });
  const owner = await joined({ device: 'w' });
  const knock = { token: 'me', capver: '3', device: 'old' };
  const first = await joined(knock);
  const payload = ask('set', 'mine/a', { value: { x: 1 } });
  await first.ask(topic, 'write', payload);
  await put(owner, 'mine/b', 'hush');
  await write(owner, 'merge', 'mine/a', { value: { y: 2 } });
  first.cut();
  const second = await connect(knock);
  await second.join(topic, { last_store_seq: 999 });
  await second.caughtUp();
  await second.ask(topic, 'write', payload);
  const echo = opsIn(second.heard).at(-1);
  expect(echo).toMatchObject({ path: 'mine/a', value: { x: 1, y: 2 }, seq: 3 });
  expect(JSON.stringify(second.heard)).not.toContain('hush');
});

test.each(dialects)(
  'S102 S101 on %s rules that narrow end the channel within 5 s; who comes back gets the rest afresh, and nothing else',
  async (_name, knock) => {
    const known = { me: { pathRules: read(['a/**', 'b/**']) } };
    const clock = new VirtualClock();
    const { joined, connect } = await world({
      clock,
      authenticate: async (credentials) => principals(known)(credentials),
    });
    const owner = await joined({ device: 'w' });
    await put(owner, 'a/x', 'a');
    await put(owner, 'b/x', 'b');
    const me = { ...knock, token: 'me', device: 'me' };
    const before = await joined(me);
    const scope = before.heard[0]?.[4]['response'] as { scope?: string; incarnation?: string };
    known.me = { pathRules: read(['a/**']) };
    await clock.pass(5000);
    expect(await before.closed()).toBe(4002);
    expect(before.heard.at(-1)?.[3]).toBe('phx_close');
    const last = await put(owner, 'b/x', 'hush');
    const after = await connect(me);
    const { scope: hash = null, incarnation = null } =
      scope.scope === undefined
        ? {}
        : {
            scope: scope.scope,
            incarnation: scope.incarnation,
          };
    const { response } = await after.join(topic, {
      last_store_seq: 2,
      scope: hash,
      incarnation,
      patterns: null,
    });
    if (knock.capver === '4') expect(response).toMatchObject({ sync: 'snapshot', why: 'scope' });
    const frames = await after.caughtUp();
    expect(frames.map(([, , , event]) => event)).toContain(
      knock.capver === '4' ? 'snapshot_begin' : 'snapshot',
    );
    expect(JSON.stringify(frames)).toContain('a/x');
    expect(JSON.stringify([...frames, ...before.heard])).not.toContain('hush');
    expect(JSON.stringify(frames)).not.toContain('b/x');
    expect(last).toBe(3);
  },
);

test('S102 of leases that end, a client is told of those only that it may read and replicates', async () => {
  const { joined } = await world({
    authenticate: principals({ me: { pathRules: read(['mine/**', 'too/**']) } }),
  });
  const owner = await joined({ device: 'w' });
  const peer = await joined({ token: 'me' }, { last_store_seq: 0, patterns: ['mine/**'] });
  for (const path of ['theirs/l', 'too/l', 'mine/l']) {
    await write(owner, 'lease', path, { ttl_ms: 50 });
  }
  for (let i = 0; i < 3; i += 1) await owner.until(isNotice);
  const [, , , , notice] = await peer.until(isNotice);
  expect(notice).toMatchObject({ path: 'mine/l' });
  expect(peer.heard.filter(isNotice)).toHaveLength(1);
  expect(JSON.stringify(peer.heard)).not.toMatch(/theirs|too\/l/);
});

test('S102 presence shows who has path rules nothing, unless it is granted', async () => {
  const rules = { pathRules: read(['mine/**']) };
  const { connect } = await world({
    authenticate: principals({ me: rules, guest: { ...rules, presence: true } }),
  });
  const me = await connect({ token: 'me' });
  expect(reasonOf(await me.join('presence:demo/main:room', {}))).toBe('presence_not_allowed');
  const guest = await connect({ token: 'guest', device: 'g' });
  expect((await guest.join('presence:demo/main:room', {})).status).toBe('ok');
});
