import type { Link, Store, Transaction } from '@holdfast/client';
import { Scope } from '@holdfast/engine/data';
import {
  containsScope,
  frameTuple,
  HoldfastError,
  isBadFrame,
  isObject,
  jsonCodec,
  matches,
  type Path,
  type Pattern,
  readFrame,
  segmentsOf,
} from '@holdfast/protocol';
import { type Principal, scopes } from '@holdfast/server';
import type { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';
import { Border, coversPath, parsed } from './border.ts';

type Step = {
  readonly at: number;
  readonly does: 'write' | 'try' | 'open' | 'rule';
  readonly roll: number;
};

const storeName = 'acme/app';
/** Longer than a part stays here that nobody holds any more, so that parts are let go of. */
const lengthMs = 150_000;
/** Within this time a change of the rules has taken effect (stores.md §11.3). */
const rulesMs = 5000;
const readers = ['part', 'guest'] as const;
type ReaderName = (typeof readers)[number];

const places = [
  'a/1/x',
  'a/1/y',
  'a/2/x',
  'a/3',
  'b/leaf',
  'b/deep/x',
  'c',
  'hush/1/x',
  'hush/2',
  'own/x',
];
const parts = ['a/**', 'a/1/**', 'a/*', 'a/*/x', 'b/leaf', 'b/**', 'c', 'hush/**', 'none/**'];
/** What the readers always have, so that there is always something. */
const ownPart = 'own/**';
/** What the guest may read besides, one after the other. */
const rules = [['a/**', 'b/leaf'], ['a/1/**', 'b/**'], ['b/**', 'c'], ['a/*/x']];

type Opened = {
  readonly name: ReaderName;
  readonly store: Store;
  readonly scope: readonly string[];
};

/** What is wrong with a server of parts, which must be seen. */
type PartsSpoilt = {
  /** Of what it knows no rules. */
  readonly forgets?: 'read' | 'write';
  /** For how long it is told of rules as they were. */
  readonly lagMs?: number;
  /** It says of what it denies that it is had, as if there were nothing. */
  readonly feigns?: boolean;
  /** It leaves out the last op of all that it tells at once. */
  readonly leavesOut?: boolean;
};

/** Clients that hold parts of a store, wider and narrower ones, and one that may read and write no more than its rules say. */
export class Parts {
  passed = 0;
  /** How much the guest has written. */
  written = 0;
  /** What the guest's rules are and were, the present ones first, each with when they began. */
  #rules: readonly { readonly at: number; readonly patterns: readonly Pattern[] }[] = [];
  #open: Opened[] = [];
  readonly #forgets: 'read' | 'write' | null;
  readonly #lagMs: number;
  readonly #feigns: boolean;
  readonly #leavesOut: boolean;
  #now = (): number => 0;
  #writes = 0;
  #borders: Border[] = [];

  constructor({ forgets, lagMs = 0, feigns = false, leavesOut = false }: PartsSpoilt = {}) {
    this.#forgets = forgets ?? null;
    this.#lagMs = lagMs;
    this.#feigns = feigns;
    this.#leavesOut = leavesOut;
  }

  readonly simulation: Simulation<Step> = {
    faults: {
      ...badWeather,
      revoke: 0,
      cut: 6,
      crashServer: 3,
      failDisk: 2,
      crash: 2,
      forget: 0.5,
    },
    lengthMs,
    stores: [storeName],
    server: { authenticate: async ({ token }) => this.#principal(token ?? '') },
    script: { steps: stepsOf, perform: (world, step) => this.#perform(world, step) },
    program: async (world) => {
      this.#begin(world);
      await world.sleep(lengthMs);
    },
    check: (world) => this.#check(world),
  };

  #begin(world: World): void {
    this.#now = () => world.now;
    this.#open = [];
    this.#writes = 0;
    this.#rules = [];
    this.#setRules(world, 0);
    this.#borders = readers.map((name) => {
      // What was sent before the rules changed may be on its way for long, to who sleeps or is slow.
      const allowed = (): readonly Pattern[] => this.#readable(name, world.device(name).saidAt);
      const border = new Border(jsonCodec, allowed, (text) =>
        world.problem(`scoped: ${name}: ${text}`),
      );
      world.client(name, {
        scope: [ownPart],
        wrap: (link) => border.wrap(this.#spoilt(link)),
        onCrash: () => (this.#open = this.#open.filter((each) => each.name !== name)),
      });
      return border;
    });
    world.device('owner').store(storeName);
  }

  #spoilt(link: Link): Link {
    if (this.#feigns) return changing(link, feigned);
    return this.#leavesOut ? changing(link, withoutOne) : link;
  }

  /** What the rules are at a time, and for a while what they were. */
  #readable(name: ReaderName, time: number): readonly Pattern[] {
    return name === 'part' ? parsed(['**']) : this.#ruledAt(time);
  }

  /** The rules at a time, and those that were just over. */
  #ruledAt(time: number): readonly Pattern[] {
    return this.#rules.flatMap(({ at, patterns }, index) => {
      const until = this.#rules[index - 1]?.at ?? Infinity;
      return at <= time && time < until + rulesMs ? patterns : [];
    });
  }

  #setRules(world: World, roll: number): void {
    const next = parsed([ownPart, ...(rules[roll % rules.length] ?? [])]);
    this.#rules = [{ at: world.now, patterns: next }, ...this.#rules];
  }

  #principal(token: string): Principal {
    const told = this.#now() - this.#lagMs;
    const now = this.#rules.find(({ at }) => at <= told) ?? this.#rules.at(-1);
    const allow = ['read', 'write'] as const;
    const all = this.#forgets === null ? [] : [{ pattern: '**', allow: [this.#forgets] }];
    const ruled = now?.patterns.map(({ source }) => ({ pattern: source, allow })) ?? [];
    const pathRules = [...ruled, ...all];
    return {
      subject: token,
      orgs: ['acme'],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
      ...(token.startsWith('guest') && { pathRules }),
    };
  }

  #perform(world: World, { does, roll }: Step): void {
    if (does === 'try') this.#try(world, roll);
    else if (does === 'write') this.#write(world, roll);
    else if (does === 'open') this.#change(world, roll);
    // What the rules were before the last ones may be on its way for a while.
    else if (world.now > (this.#rules[0]?.at ?? 0) + rulesMs) this.#setRules(world, roll);
  }

  /** The guest writes what it may, and what it may not. */
  #try(world: World, roll: number): void {
    const device = world.device('guest');
    if (device.isAsleep) return;
    const [one = 'c', other = 'c'] = [0, 3].map((by) => places[(roll + by) % places.length]);
    const value = `guest ${roll}`;
    const store = device.store(storeName);
    if (roll % 3 > 0) store.put(one, value, { blind: true });
    else {
      const both = (tx: Transaction): void => {
        tx.put(one, value);
        tx.put(other, value);
      };
      store.transact(both, { blind: true });
    }
  }

  #write(world: World, roll: number): void {
    this.#writes += 1;
    const n = this.#writes;
    const store = world.device('owner').store(storeName);
    const path = places[roll % places.length] ?? 'c';
    const top = path.slice(0, 1);
    const kind = roll % 13;
    if (kind < 6) store.put(path, `${path} ${n}`);
    else if (kind === 6) store.put('a', { 1: { x: `a/1/x ${n}` }, 4: { x: `a/4/x ${n}` } });
    else if (kind === 7) store.merge('b', { leaf: `b/leaf ${n}`, deep: { y: `b/deep/y ${n}` } });
    else if (kind === 8) store.delete(top);
    else if (kind === 9) store.delete('hush');
    else if (kind === 10) store.put('b', {});
    else {
      store.transact((tx) => {
        tx.put('hush/1/x', `hush ${n}`);
        tx.put(path, `${path} ${n}`);
        tx.delete('a/2');
      });
    }
  }

  /** Somebody opens a part of the store, or is done with one. */
  #change(world: World, roll: number): void {
    const name = readers[roll % 2] ?? 'part';
    const mine = this.#open.filter((each) => each.name === name);
    if (mine.length > 2 || (mine.length > 0 && roll % 3 === 0)) {
      const one = mine[roll % mine.length];
      this.#open = this.#open.filter((each) => each !== one);
      one?.store.close();
    } else {
      const scope = [0, 5].map((by) => parts[(roll + by) % parts.length] ?? 'c');
      const store = world.client(name).store(storeName, { scope });
      this.#open.push({ name, store, scope });
    }
  }

  async #check(world: World): Promise<void> {
    // What is out of scope passes a while later (stores.md §10.2.5), and so do changes of the scope.
    await world.sleep(rulesMs);
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    for (const { op, at } of await world.log(storeName)) {
      if (op.deviceId !== 'guest') continue;
      this.written += 1;
      if (coversPath(this.#ruledAt(at), op.path)) continue;
      world.problem(`barred: the guest wrote ${op.path} at ${at.toFixed(0)} ms`);
    }
    const state = [...truth.stateAt(truth.head).entries()];
    for (const { name, store, scope } of this.#open) {
      const allowed = this.#readable(name, world.now);
      for (const pattern of new Set(scope)) {
        const wanted = state.filter(
          ({ path }) => isListed(pattern, path) && coversPath(allowed, path),
        );
        const { items } = store.entries(pattern, { limit: 1000 });
        const [found, right] = [items, wanted].map((list) =>
          JSON.stringify(list.map(({ path, value, revision }) => [path, value, revision])),
        );
        if (found !== right) {
          world.problem(`converged: ${name} shows ${found} of ${pattern} instead of ${right}`);
        }
      }
    }
    for (const border of this.#borders) this.passed += border.passed;
    for (const open of this.#open) await this.#checkTold(world, open);
  }

  /** Who opens a part is told whether it may be read, however it was asked for. */
  async #checkTold(world: World, { name, store, scope }: Opened): Promise<void> {
    const readable = new Scope(name === 'part' ? parsed(['**']) : (this.#rules[0]?.patterns ?? []));
    const [denied, had] = [false, true].map((isHad) =>
      parsed([...parts, ownPart]).filter((each) => readable.meets(each) === isHad),
    );
    const lacks = (denied ?? []).filter(({ source }) => scope.includes(source));
    // What may not be read by itself may be within what somebody else has, and then is as good as there.
    const isWithin = (each: Pattern): boolean =>
      had?.some((one) => containsScope(one, each)) ?? false;
    const isDue = lacks.some((each) => !isWithin(each));
    const ready = store.ready.then(() => 'ready', codeOf);
    const told = await Promise.race([ready, world.sleep(rulesMs).then(() => 'nothing')]);
    const fits = isDue
      ? ['path_not_allowed']
      : ['ready', ...(lacks.length > 0 ? ['path_not_allowed'] : [])];
    if (fits.includes(told)) return;
    world.problem(
      `denied: ${name} is told ${told} of ${scope.join(' ')} instead of ${fits.join(' or ')}`,
    );
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runParts(seeds: Seeds & PartsSpoilt): Promise<{
  readonly failure: Failure | null;
  readonly passed: number;
  readonly written: number;
}> {
  const worlds = new Parts(seeds);
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, passed: worlds.passed, written: worlds.written };
}

/** What a listing of a pattern has: of `b/**` not a leaf at `b`, which a part of that name has as well. */
function isListed(pattern: string, path: Path): boolean {
  return parsed([pattern]).some((each) => matches(each, segmentsOf(path)));
}

/** The way to a server that says something else. */
function changing(link: Link, change: (data: string | Uint8Array) => string | Uint8Array): Link {
  return {
    open: (url, events) =>
      link.open(url, {
        ...events,
        received: (data) => events.received(change(data)),
      }),
  };
}

/** Of what a join has brought, it says, is what it denies. */
function feigned(data: string | Uint8Array): string | Uint8Array {
  const frame = readFrame(jsonCodec.decode(data));
  if (isBadFrame(frame) || !isObject(frame.payload)) return data;
  const { payload } = frame;
  const { response } = payload;
  if (!isObject(response) || !('sync' in response)) return data;
  const { patterns, denied = [] } = response;
  if (!Array.isArray(patterns) || !Array.isArray(denied)) return data;
  const all = { ...response, patterns: [...patterns, ...denied], denied: [] };
  return jsonCodec.encode(frameTuple({ ...frame, payload: { ...payload, response: all } }));
}

/** Of what was committed it tells one op less. */
function withoutOne(data: string | Uint8Array): string | Uint8Array {
  const frame = readFrame(jsonCodec.decode(data));
  if (isBadFrame(frame) || frame.event !== 'events' || !isObject(frame.payload)) return data;
  const { ops } = frame.payload;
  if (!Array.isArray(ops)) return data;
  return jsonCodec.encode(
    frameTuple({ ...frame, payload: { ...frame.payload, ops: ops.slice(0, -1) } }),
  );
}

function codeOf(error: unknown): string {
  return error instanceof HoldfastError ? error.code : String(error);
}

function stepsOf(dice: Dice): readonly Step[] {
  return Array.from({ length: 120 }, () => {
    const [at, kind, roll] = [dice.below(lengthMs), dice.below(20), dice.below(2 ** 30)];
    const does = kind < 14 ? (roll % 4 === 0 ? 'try' : 'write') : kind < 19 ? 'open' : 'rule';
    return { at, does, roll } as const;
  }).toSorted((a, b) => a.at - b.at);
}
