import {
  Roster,
  type NodeMessage,
  type RosterEffect,
  type RosterInput,
} from '@holdfast/engine/presence';
import type { PresenceDiff, PresenceList } from '@holdfast/protocol/presence';

type Wish = RosterInput extends infer Input
  ? Input extends RosterInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** What a member heard, folded as Phoenix folds it. */
export class Watcher {
  readonly states = new Map<string, { key: string; peer: string; state: unknown }>();
  readonly diffs: PresenceDiff[] = [];
  lists = 0;

  list(list: PresenceList): void {
    this.lists++;
    this.states.clear();
    this.#add(list);
  }

  diff(diff: PresenceDiff): void {
    this.diffs.push(diff);
    this.#add(diff.joins);
    for (const { metas } of Object.values(diff.leaves)) {
      for (const { phx_ref: ref } of metas) this.states.delete(ref);
    }
  }

  /** Who is there: `key/peer` and the state of each, sorted. */
  get seen(): string[] {
    const all = [...this.states.values()];
    return all.map(({ key, peer, state }) => `${key}/${peer} ${JSON.stringify(state)}`).toSorted();
  }

  #add(list: PresenceList): void {
    for (const [key, { metas }] of Object.entries(list)) {
      for (const { phx_ref: ref, peer, state } of metas) this.states.set(ref, { key, peer, state });
    }
  }
}

/** One node with its members; what it publishes is on the bus of the {@link World}. */
export class Node {
  readonly name: string;
  readonly roster: Roster;
  readonly watchers = new Map<number, Watcher>();
  readonly answers: RosterEffect[] = [];
  isAlive = true;
  #wakeAt = Infinity;
  readonly #welcome = new Set<number>();
  readonly #world: World;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.roster = new Roster({ node: name, now: world.now });
    world.send(this.roster.hello());
  }

  get wakeAt(): number {
    return this.isAlive ? this.#wakeAt : Infinity;
  }

  step(wish: Wish): void {
    if (!this.isAlive) return;
    const { now } = this.#world;
    const effects = this.roster.step({ ...wish, now, wall: 1_000_000 + now });
    for (const effect of effects) this.#do(effect);
  }

  join(member: number, name: string, state: object | null = null): Watcher {
    const [key = '', peer = ''] = name.split('/');
    const watcher = new Watcher();
    this.watchers.set(member, watcher);
    this.step({ type: 'join', member, who: { key, peer, deviceId: 'd' }, state: state as never });
    return watcher;
  }

  track(member: number, state: object): void {
    this.step({ type: 'track', member, ticket: member, state: state as never });
  }

  #do(effect: RosterEffect): void {
    switch (effect.type) {
      case 'publish':
        this.#world.send(effect.message);
        break;
      case 'diff':
        for (const member of this.#welcome) this.watchers.get(member)?.diff(effect.diff);
        break;
      case 'welcome':
        for (const member of effect.members) {
          this.#welcome.add(member);
          this.watchers.get(member)?.list(this.roster.list());
        }
        break;
      case 'tracked':
      case 'refused':
        this.answers.push(effect);
        break;
      case 'wake':
        this.#wakeAt = effect.at;
    }
  }
}

/** Nodes on a bus; the test says when, in what order, and whether messages arrive. */
export class World {
  now = 0;
  readonly nodes: Node[] = [];
  readonly log: NodeMessage[] = [];
  /** By receiver: what is on its way. */
  readonly #mail: { readonly to: Node; readonly message: NodeMessage }[] = [];
  /** Says of each message to whom it is lost. */
  loses: (message: NodeMessage, to: Node) => boolean = () => false;
  /** Picks which of so many messages arrives next. */
  picks: (count: number) => number = () => 0;

  node(name: string): Node {
    const node = new Node(this, name);
    this.nodes.push(node);
    return node;
  }

  send(message: NodeMessage): void {
    this.log.push(message);
    for (const to of this.nodes) if (!this.loses(message, to)) this.#mail.push({ to, message });
  }

  /** Everything on its way arrives, and what comes of it. */
  settle(): void {
    while (this.#mail.length > 0) {
      const [next] = this.#mail.splice(this.picks(this.#mail.length), 1);
      next?.to.step({ type: 'heard', message: next.message });
    }
  }

  pass(ms: number): void {
    const until = this.now + ms;
    this.settle();
    for (;;) {
      const at = Math.min(...this.nodes.map(({ wakeAt }) => wakeAt));
      if (at > until) break;
      this.now = Math.max(at, this.now);
      for (const node of this.nodes) if (node.wakeAt <= this.now) node.step({ type: 'tick' });
      this.settle();
    }
    this.now = until;
  }
}
