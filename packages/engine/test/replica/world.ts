import {
  asGlob,
  asPath,
  comparePaths,
  defaultLimits,
  flatten,
  isRefusal,
  type Json,
  type OpId,
  type Path,
  type Request,
} from '@holdfast/protocol';
import {
  Replica,
  type ReplicaEffect,
  type ReplicaImage,
  type ReplicaInput,
  type WatchEvent,
  type WatchOptions,
} from '@holdfast/engine/replica';
import { pattern } from './desk.ts';
import { Channel, type Dice, ModelServer, type ServerFaults } from './model-server.ts';

export type Plan = {
  readonly seed: number;
  readonly steps: number;
  readonly faults: ServerFaults;
  /** Chance that a socket is cut, that the process of a client restarts, that the store goes back to a backup. */
  readonly cut: number;
  readonly restart: number;
  readonly restore: number;
  /** At the end the sockets are kept. */
  readonly staysJoined?: true;
};

/** What a subscriber believes, from its events alone. */
export class Belief {
  readonly leaves = new Map<Path, Json>();
  readonly last = new Map<Path, Json | undefined>();
  readonly events: WatchEvent[] = [];

  hear(event: WatchEvent): void {
    const { path, value } = event;
    this.events.push(event);
    for (const leaf of this.leaves.keys()) {
      const isAbove = value !== undefined && path.startsWith(`${leaf}/`);
      if (isAbove || leaf === path || leaf.startsWith(`${path}/`)) this.leaves.delete(leaf);
    }
    if (value !== undefined) {
      for (const [leaf, each] of flatten(path, value)) this.leaves.set(leaf, each);
    }
  }

  sorted(): (readonly [Path, Json])[] {
    return [...this.leaves].toSorted(([a], [b]) => comparePaths(a, b));
  }
}

type Distributed<T> = T extends unknown ? Omit<T, 'now' | 'wall'> : never;

const watches: readonly (readonly [string, Partial<WatchOptions>])[] = [
  ['**', { mode: 'all', includeCurrent: true }],
  ['**', { mode: 'committed', includeCurrent: true }],
  ['n/*', { mode: 'all', includeCurrent: true, delivery: { policy: 'latest' } }],
  ['n/*', { mode: 'all', includeCurrent: true, delivery: { policy: 'sample', intervalMs: 70 } }],
];

export class Client {
  readonly deviceId: string;
  readonly world: World;
  replica: Replica;
  channel: Channel;
  isJoined = false;
  wakeAt = Infinity;
  readonly outcomes = new Map<OpId, string>();
  readonly beliefs = new Map<number, Belief>();
  asked = 0;
  /** Seen committed by a process that ended before the reply. */
  readonly untold = new Set<OpId>();
  /** By this process. */
  readonly #settledHere = new Set<OpId>();

  constructor(world: World, name: string) {
    this.world = world;
    this.deviceId = name;
    this.channel = new Channel(name);
    this.replica = this.#start();
  }

  #make(image?: ReplicaImage): Replica {
    return new Replica({
      topic: 'store:acme/app',
      patterns: [asGlob('**')],
      deviceId: this.deviceId,
      limits: defaultLimits,
      random: () => 0.5,
      ...(image === undefined ? {} : { image }),
    });
  }

  #start(image?: ReplicaImage): Replica {
    const replica = this.#make(image);
    this.beliefs.clear();
    for (const [glob, options] of watches) {
      const id = replica.subscribe(pattern(glob), {
        mode: 'all',
        includeCurrent: false,
        maxQueue: 1e6,
        delivery: { policy: 'every' },
        ...options,
      });
      this.beliefs.set(id, new Belief());
    }
    return replica;
  }

  step(input: Distributed<ReplicaInput>): void {
    const seq = this.replica.status().seq;
    const effects = this.replica.step({ ...input, now: this.world.now, wall: this.world.now });
    const after = this.replica.status().seq;
    if (after < seq && !this.world.wentBack) {
      this.world.problem(`cursor of ${this.deviceId} went from ${seq} to ${after}`);
    }
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ReplicaEffect): void {
    if (effect.type === 'push') this.channel.pushes.push(effect);
    if (effect.type === 'rejoin') this.cut();
    if (effect.type === 'wake') this.wakeAt = effect.at ?? Infinity;
    if (effect.type === 'settled') {
      const { opId, outcome } = effect;
      if (this.#settledHere.has(opId)) this.world.problem(`${opId} was settled twice`);
      this.#settledHere.add(opId);
      this.outcomes.set(opId, outcome.status === 'refused' ? outcome.refusal.code : 'committed');
    }
    if (effect.type === 'notify') {
      for (const event of effect.events) this.#hear(effect.subscription, event);
    }
  }

  #hear(subscription: number, event: WatchEvent): void {
    const belief = this.beliefs.get(subscription);
    if (belief === undefined) return;
    if (subscription > 2) {
      const last = belief.last.get(event.path);
      if (JSON.stringify(last) !== JSON.stringify(event.previous)) {
        this.world.problem(
          `${event.path}: previous ${JSON.stringify(event.previous)}, but ${JSON.stringify(last)} was delivered`,
        );
      }
      belief.last.set(event.path, event.value);
    }
    belief.hear(event);
  }

  cut(): void {
    this.world.server.leave(this.channel);
    this.channel = new Channel(this.deviceId);
    const wasJoined = this.isJoined;
    this.isJoined = false;
    if (wasJoined) this.step({ type: 'lost' });
  }

  join(): void {
    if (this.isJoined) return;
    this.world.server.now = this.world.now;
    const response = this.world.server.join(this.channel, this.replica.joinPayload());
    this.isJoined = true;
    this.step({ type: 'joined', response });
  }

  /** A new process with what a cache would have kept. */
  restart(): void {
    const image = this.replica.image();
    this.#settledHere.clear();
    const kept = new Set(image.outbox.map(({ opId }) => opId));
    for (let counter = 1; counter <= this.asked; counter++) {
      const opId = `${this.deviceId}:${counter}`;
      if (!kept.has(opId) && !this.outcomes.has(opId)) this.untold.add(opId);
    }
    this.world.server.leave(this.channel);
    this.channel = new Channel(this.deviceId);
    this.isJoined = false;
    this.wakeAt = Infinity;
    this.replica = this.#start({ ...image, entries: [...image.entries] });
  }

  receive(replyFirst: boolean): void {
    const queue =
      replyFirst && this.channel.replies.length > 0 ? this.channel.replies : this.channel.frames;
    const said = (queue.length > 0 ? queue : this.channel.replies).shift();
    if (said === undefined) return;
    if (said.kind === 'message') {
      this.step({ type: 'message', event: said.event, payload: said.payload });
    } else if (isRefusal(said.answer)) {
      this.step({
        type: 'reply',
        id: said.id,
        status: 'error',
        response: said.answer.toResponse(),
      });
    } else this.step({ type: 'reply', id: said.id, status: 'ok', response: said.answer });
  }

  ask(request: Request): void {
    this.asked++;
    const opId = `${this.deviceId}:${this.asked}`;
    this.step({ type: 'request', opId, request });
    const isScalar = request.op === 'set' && typeof request.value !== 'object';
    if (this.outcomes.has(opId) || !isScalar) return;
    const shown = this.replica.entry(request.path)?.value;
    if (shown !== request.value) this.world.problem(`${opId} is not shown at once`);
  }

  /** Rounds of delivery until nothing is left; then what subscribers believe must be what is shown. */
  deliver(): void {
    for (let rounds = 0; rounds < 3; rounds++) this.step({ type: 'deliver' });
    const { replica } = this;
    const view = replica.entries({}).items.map(({ path, value }) => [path, value]);
    const committed = [...replica.image().entries].map(({ path, value }) => [path, value]);
    this.#compare('all', this.beliefs.get(1), view);
    this.#compare('committed', this.beliefs.get(2), committed);
    const again = this.#make(replica.image());
    const fresh = again.entries({}).items.map(({ path, value }) => [path, value]);
    this.world.expectEqual(`the fold of ${this.deviceId}`, fresh, view);
  }

  #compare(mode: string, belief: Belief | undefined, truth: unknown): void {
    this.world.expectEqual(`what ${this.deviceId} heard in mode ${mode}`, belief?.sorted(), truth);
  }
}

/** Three clients, one server, and the weather between them; a seed tells all of it. */
export class World {
  now = 0;
  wentBack = false;
  readonly plan: Plan;
  readonly problems: string[] = [];
  readonly server: ModelServer;
  readonly clients: readonly Client[];
  readonly #dice: Dice;

  constructor(plan: Plan) {
    this.plan = plan;
    this.#dice = diceOf(plan.seed);
    this.server = new ModelServer(this.#dice, plan.faults);
    this.clients = ['a', 'b', 'c'].map((name) => new Client(this, name));
  }

  problem(text: string): void {
    this.problems.push(text);
  }

  expectEqual(what: string, found: unknown, wanted: unknown): void {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) this.problem(`${what}: ${a} instead of ${b}`);
  }

  run(): void {
    for (let i = 0; i < this.plan.steps && this.problems.length === 0; i++) this.#turn();
    this.#rest();
  }

  #turn(): void {
    const dice = this.#dice;
    const client = this.#pick(this.clients);
    this.now += dice.below(10);
    if (this.now >= client.wakeAt) {
      client.wakeAt = Infinity;
      client.step({ type: 'tick' });
    }
    const roll = dice.below(100);
    if (roll < 25) client.ask(this.#request(client));
    else if (roll < 70) client.receive(dice.chance(400));
    else if (roll < 85) this.server.work(client.channel);
    else if (roll < 90) this.server.flush();
    else if (roll < 95) client.join();
    else client.deliver();
    if (dice.chance(this.plan.cut)) client.cut();
    if (dice.chance(this.plan.restart)) client.restart();
    if (dice.chance(this.plan.restore)) this.#restore();
  }

  #restore(): void {
    this.wentBack = true;
    for (const client of this.clients) client.cut();
    this.server.restore(this.#dice.below(this.server.head + 1));
  }

  /** The weather clears; everything is answered and delivered. */
  #rest(): void {
    this.server.faults = { transient: 0, internal: 0, final: 0, twice: 0, lost: 0, cheaper: 0 };
    // A frame that got lost shows only with the next one, or with the next join.
    if (this.plan.staysJoined !== true) for (const client of this.clients) client.cut();
    for (let i = 0; i < 4000 && this.problems.length === 0 && !this.#isAtRest(); i++) {
      this.now += 100;
      for (const client of this.clients) {
        client.join();
        client.step({ type: 'tick' });
        this.server.work(client.channel);
        client.receive(false);
        client.receive(true);
      }
      this.server.flush();
    }
    if (!this.#isAtRest()) this.problem('no rest');
    for (const client of this.clients) {
      this.now += 1000;
      client.deliver();
    }
  }

  #isAtRest(): boolean {
    return this.clients.every(
      ({ replica, channel, isJoined }) =>
        isJoined &&
        replica.status().synced &&
        replica.status().seq === this.server.head &&
        channel.frames.length + channel.replies.length + channel.pushes.length === 0,
    );
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[this.#dice.below(list.length)];
    if (item === undefined) throw new RangeError('nothing to pick');
    return item;
  }

  #request(client: Client): Request {
    if (this.#dice.chance(150)) {
      const ops = [this.#write(client), this.#write(client), this.#write(client)];
      return { op: 'transact', ops, preconditions: [] };
    }
    return this.#write(client);
  }

  #write({ replica }: Client): Exclude<Request, { readonly op: 'transact' }> {
    const dice = this.#dice;
    const value = dice.below(1000);
    const leaf = asPath(`n/${this.#pick(['a', 'b'])}`);
    const path = asPath(this.#pick(['t', 't/a', 't/b', 't/a/x', 't/a/y', 't/b/z', 's', 's/q']));
    const tree: Json = this.#pick<Json>([
      { a: value },
      { a: { x: value, y: 1 }, b: value },
      { b: { z: value } },
      {},
      [value],
    ]);
    switch (dice.below(9)) {
      case 0:
        return { op: 'increment', path: leaf, value: 1 + dice.below(3) };
      case 1:
        return { op: 'set', path: leaf, value };
      case 2:
        return { op: 'delete', path: this.#pick([leaf, path]) };
      case 3:
        return { op: 'set', path, value };
      case 4:
        return { op: 'set', path, value: tree };
      case 5:
        return {
          op: 'merge',
          path,
          value: { [this.#pick(['a', 'b', 'q'])]: this.#pick<Json>([value, { x: value }]) },
        };
      case 6:
        return {
          op: this.#pick(['add', 'remove'] as const),
          path: asPath('tags'),
          value: dice.below(4),
        };
      case 7: {
        const revision = replica.entry(path)?.revision;
        return { op: 'set', path, value, ...(revision === undefined ? {} : { ifMatch: revision }) };
      }
      default:
        return { op: 'set', path, value, ifAbsent: true };
    }
  }
}

export function diceOf(seed: number): Dice {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    below: (max) => Math.floor(next() * max),
    chance: (perMille) => next() * 1000 < perMille,
  };
}
