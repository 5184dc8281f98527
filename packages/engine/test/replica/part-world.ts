import { Tree } from '@holdfast/engine/data';
import {
  asGlob,
  asPath,
  defaultLimits,
  type Entry,
  type Glob,
  isRefusal,
  type Json,
  type Leaf,
  matches,
  type Path,
  type Request,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import {
  Ledger,
  type PendingRequest,
  Replica,
  type ReplicaChange,
  type ReplicaEffect,
  type ReplicaInput,
} from '@holdfast/engine/replica';
import { pattern } from './desk.ts';
import type { Dice } from './model-server.ts';
import { type Channel, partOf, PartServer, scopeOf } from './part-server.ts';
import { Belief, diceOf } from './world.ts';

const universe: readonly Glob[] = ['a/**', 'a/x', 'b/*', '*/y', 'c/**', '**'].map(asGlob);
const paths = ['a', 'a/x', 'a/y', 'a/x/z', 'b', 'b/x', 'b/y', 'c', 'c/y', 'c/x/z', 'd/y'].map(
  asPath,
);

/** What a cache holds of a replica: the sum of what it was told to store. */
class Shelf {
  readonly entries = new Map<Path, Leaf>();
  readonly maps = new Map<Path, Seq>();
  readonly outbox = new Map<string, PendingRequest>();
  head: Pick<ReplicaChange, 'seq' | 'incarnation' | 'scope' | 'patterns'> | null = null;

  store(change: ReplicaChange): void {
    const { seq, incarnation, scope, patterns } = change;
    this.head = { seq, incarnation, scope, patterns };
    if (change.replaces) {
      this.entries.clear();
      this.maps.clear();
    }
    for (const [path, leaf] of change.entries) put(this.entries, path, leaf);
    for (const [path, revision] of change.maps) put(this.maps, path, revision);
    for (const [opId, request] of change.requests) put(this.outbox, opId, request);
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}

type Distributed<T> = T extends unknown ? Omit<T, 'now' | 'wall'> : never;

/** One client whose wishes change, over a channel that may be cut at any frame. */
export class PartWorld {
  readonly problems: string[] = [];
  readonly server: PartServer;
  shelf = new Shelf();
  replica: Replica;
  wanted: readonly Glob[];
  restarts = 0;
  rejoins = 0;
  #now = 0;
  #asked = 0;
  #isJoined = false;
  #channel: Channel = { cursor: 0, patterns: [], down: [], up: [] };
  #stored: number[] = [];
  #beliefs = new Map<Glob, { readonly id: number; readonly belief: Belief }>();
  readonly #dice: Dice;

  constructor(seed: number) {
    this.#dice = diceOf(seed);
    this.server = new PartServer(this.#dice);
    this.wanted = this.#wishes();
    this.replica = this.#start();
  }

  run(steps: number): void {
    for (let at = 0; at < steps && this.problems.length === 0; at += 1) this.#turn();
    this.#rest();
  }

  #wishes(): readonly Glob[] {
    return universe.filter(() => this.#dice.chance(300));
  }

  #start(): Replica {
    const { head } = this.shelf;
    const outbox = [...this.shelf.outbox.values()].toSorted((a, b) => a.order - b.order);
    const entries = [...this.shelf.entries].map(([path, leaf]) => Object.assign({ path }, leaf));
    const image = head && { ...head, entries, maps: [...this.shelf.maps], outbox };
    const replica = new Replica({
      topic: 'store:acme/app',
      patterns: this.wanted,
      deviceId: 'm',
      limits: defaultLimits,
      random: () => 0.5,
      ledger: new Ledger(),
      ...(image !== null && { image }),
    });
    this.#beliefs.clear();
    for (const glob of this.wanted) this.#watch(glob, replica);
    return replica;
  }

  #watch(glob: Glob, replica: Replica): void {
    const id = replica.subscribe(pattern(glob), {
      mode: 'all',
      includeCurrent: true,
      maxQueue: 1e6,
      delivery: { policy: 'every' },
    });
    this.#beliefs.set(glob, { id, belief: new Belief() });
  }

  #want(): void {
    const before = this.wanted;
    this.wanted = this.#wishes();
    for (const glob of before) {
      const known = this.#beliefs.get(glob);
      if (this.wanted.includes(glob) || known === undefined) continue;
      this.replica.unsubscribe(known.id);
      this.#beliefs.delete(glob);
    }
    for (const glob of this.wanted) if (!before.includes(glob)) this.#watch(glob, this.replica);
    this.#step({ type: 'want', patterns: this.wanted });
  }

  #step(input: Distributed<ReplicaInput>): void {
    const effects = this.replica.step({ ...input, now: this.#now, wall: this.#now });
    for (const effect of effects) this.#perform(effect);
    this.#check();
    if (!effects.some(({ type }) => type === 'rejoin')) return;
    // Something that was being let go of is wanted again: another channel takes the place of this one.
    if (input.type !== 'want') this.problems.push('a rejoin that nobody caused');
    this.rejoins += 1;
    this.#cut();
  }

  #perform(effect: ReplicaEffect): void {
    if (effect.type === 'push') this.#channel.up.push(effect);
    if (effect.type === 'persist') {
      this.shelf.store(effect.change);
      this.#stored.push(effect.batch);
    }
    if (effect.type !== 'notify') return;
    const told = [...this.#beliefs.values()].find(({ id }) => id === effect.subscription);
    for (const event of effect.events) told?.belief.hear(event);
  }

  /** The committed state is at every moment that part of the store, at that seq, which it says it is; so is the cache. */
  #check(): void {
    const { seq, patterns, entries } = this.replica.image();
    this.#compare('the replica', [...entries], { seq, patterns });
    const { head } = this.shelf;
    if (head === null) return;
    const kept = [...this.shelf.entries].map(([path, leaf]) => Object.assign({ path }, leaf));
    this.#compare('the cache', kept, head);
  }

  #compare(
    what: string,
    found: readonly Entry[],
    { seq, patterns }: { readonly seq: Seq; readonly patterns: readonly Glob[] },
  ): void {
    const wanted = partOf(this.server.states[seq] ?? Tree.empty(), patterns);
    this.#expect(`${what} of ${patterns.join()} at ${seq}`, sorted(found), sorted(wanted));
  }

  #expect(what: string, found: unknown, wanted: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) this.problems.push(`${what}: ${a} instead of ${b}`);
  }

  #turn(): void {
    const dice = this.#dice;
    this.#now += 10;
    const roll = dice.below(100);
    if (roll < 10) this.#join();
    else if (roll < 25) this.server.commit(this.#write(), 't', `t:${(this.#asked += 1)}`);
    else if (roll < 33) this.#want();
    else if (roll < 40) this.#ask();
    else if (roll < 56) this.server.work(this.#channel);
    else if (roll < 60) this.#flush();
    else if (roll < 90) this.#receive();
    else if (roll < 96) this.#persisted();
    else if (roll < 99) this.#cut();
    else this.#restart();
  }

  #flush(): void {
    if (this.#isJoined) this.server.flush(this.#channel);
  }

  #ask(): void {
    const opId = `m:${(this.#asked += 1)}`;
    this.#step({ type: 'request', opId, request: this.#write() });
  }

  #write(): Exclude<Request, { op: 'transact' }> {
    const dice = this.#dice;
    const path = paths[dice.below(paths.length)] ?? asPath('a');
    const value = dice.below(100);
    const trees: readonly Json[] = [{ x: value, y: { z: value } }, { y: value }, {}];
    const tree = trees[dice.below(trees.length)] ?? 0;
    switch (dice.below(4)) {
      case 0:
        return { op: 'delete', path };
      case 1:
        return { op: 'set', path, value: tree };
      default:
        return { op: 'set', path, value };
    }
  }

  #join(): void {
    if (this.#isJoined) return;
    const response = this.server.join(this.#channel, this.replica.joinPayload());
    this.#isJoined = true;
    this.#step({ type: 'joined', response });
  }

  #receive(): void {
    const said = this.#channel.down.shift();
    if (said === undefined) return;
    if (said[0] === 'message') {
      this.#step({ type: 'message', event: said[1], payload: said[2] });
    } else {
      const [, id, answer] = said;
      const isBad = isRefusal(answer);
      const response = isBad ? answer.toResponse() : answer;
      this.#step({ type: 'reply', id, status: isBad ? 'error' : 'ok', response });
    }
  }

  #persisted(): void {
    const batch = this.#stored.shift();
    if (batch !== undefined) this.#step({ type: 'persisted', batch });
  }

  #cut(): void {
    this.#channel = { cursor: 0, patterns: [], down: [], up: [] };
    if (this.#isJoined) this.#step({ type: 'lost' });
    this.#isJoined = false;
  }

  #restart(): void {
    this.restarts += 1;
    this.#stored = [];
    this.#cut();
    this.replica = this.#start();
  }

  #rest(): void {
    for (let at = 0; at < 2000 && this.problems.length === 0 && !this.#isAtRest(); at += 1) {
      this.#now += 100;
      this.#join();
      this.#step({ type: 'tick' });
      this.server.work(this.#channel);
      this.#flush();
      this.#receive();
      this.#persisted();
    }
    if (!this.#isAtRest()) this.problems.push('no rest');
    for (let rounds = 0; rounds < 3; rounds += 1) this.#step({ type: 'deliver' });
    for (const [glob, { belief }] of this.#beliefs) {
      const { items } = this.replica.entries({ pattern: pattern(glob) });
      const shown = items.map(({ path, value }) => [path, value]);
      // It hears of maps at the paths that it watches, too.
      const believed = belief.sorted().filter(([path]) => matches(pattern(glob), segmentsOf(path)));
      this.#expect(`what a watcher of ${glob} believes`, believed, shown);
    }
    const scope = scopeOf(this.replica.status().held);
    for (const path of paths) {
      if (!scope.coversSubtree(path)) continue;
      this.#expect(
        `what is read at ${path}`,
        this.replica.entry(path),
        shownOf(path, this.server.tree),
      );
    }
  }

  #isAtRest(): boolean {
    const { synced, held } = this.replica.status();
    const wanted = this.wanted.includes(asGlob('**')) ? [asGlob('**')] : this.wanted;
    const isThere = held.length === wanted.length && wanted.every((each) => held.includes(each));
    const { cursor, down, up } = this.#channel;
    const isSent = cursor === this.server.head && up.length + down.length === 0;
    return this.#isJoined && synced && isThere && isSent && this.#stored.length === 0;
  }
}

function shownOf(path: Path, tree: Tree): object | undefined {
  const leaf = tree.read(path);
  return (
    leaf && { path, value: leaf.value, type: leaf.type, revision: leaf.revision, pending: false }
  );
}

function sorted(entries: readonly Entry[]): readonly unknown[] {
  return [...entries]
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, value, type, revision }) => [path, value, type, revision]);
}
