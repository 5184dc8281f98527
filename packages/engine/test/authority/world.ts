import {
  Authority,
  type AuthorityEffect,
  type AuthorityEvent,
  type LoggedOp,
} from '@holdfast/engine/authority';
import { Consult, type Gate } from '@holdfast/engine/data';
import { defaultLimits, isRefusal, type Seq } from '@holdfast/protocol';
import { Client } from './client.ts';
import { answerOf, type Reply } from './desk.ts';
import { diceOf } from './dice.ts';
import { Log } from './log.ts';

/** What may go wrong, each as a chance in a thousand. */
export type Faults = {
  readonly unknown: number;
  readonly failed: number;
  readonly unreadable: number;
  readonly crash: number;
  readonly reconnect: number;
  readonly limited: number;
  /** That something is asked about a write before it is decided; none where nothing is said. */
  readonly asked?: number;
};

export type Plan = {
  readonly seed: number;
  readonly nodes: number;
  readonly clients: number;
  readonly intents: number;
  readonly faults: Faults;
};

type Node = {
  readonly id: number;
  authority: Authority;
  life: number;
  seen: Seq;
  wakeAt: number;
  asked: boolean;
};

/** Something that is on its way and may happen at any time. */
type Task = { readonly node: Node; readonly life: number; run(): void };

const transcriptLines = 2000;

/** Several authorities over one log, with clients that never give up, in whatever order the seed says. */
export class World {
  readonly log = new Log();
  readonly clients: readonly Client[];
  readonly faults: Faults;
  readonly problems: string[] = [];
  now = 1000;
  readonly #nodes: Node[] = [];
  readonly #tasks: Task[] = [];
  /** What happened, as far as it is told. */
  readonly transcript: string[] = [];
  #dice: (limit: number) => number;
  /** Where the answer to a ticket goes. */
  readonly #waiting = new Map<number, { client: Client; counter: number; channel: number }>();
  #tickets = 0;
  #channels = 0;
  #calm = false;

  constructor(plan: Plan) {
    this.#dice = diceOf(plan.seed);
    this.faults = plan.faults;
    for (let id = 0; id < plan.nodes; id++) {
      const authority = this.#start();
      this.#nodes.push({ id, authority, life: 0, seen: 0, wakeAt: Infinity, asked: false });
    }
    this.clients = Array.from(
      { length: plan.clients },
      (_, i) => new Client(`d${i}`, plan.intents, this.random),
    );
    for (const client of this.clients) this.#connect(client);
  }

  get wall(): number {
    return 1_700_000_000_000 + this.now;
  }

  /** A number below the limit. */
  readonly random = (limit: number): number => this.#dice(limit);

  /** Lives through so much trouble, then through calm until all is answered. */
  run(steps: number): void {
    this.live(Array.from({ length: steps }, () => this.random(2 ** 31)));
  }

  /** The same; what each step of the trouble is depends on its roll, whatever came before it. */
  live(rolls: readonly number[]): void {
    const dice = this.#dice;
    for (const roll of rolls) {
      this.#dice = diceOf(roll);
      this.#step();
    }
    this.#dice = dice;
    this.#note('world', 'calm');
    this.#calm = true;
    for (let i = 0; i < 200_000 && !this.#isDone(); i++) this.#step();
    if (!this.#isDone()) this.problems.push('not everything was answered');
  }

  /** The state of each node, for comparison with the log. */
  *nodes(): Iterable<{ readonly authority: Authority; readonly seen: Seq }> {
    for (const node of this.#nodes) {
      this.now += 5000;
      this.#hear(node, { type: 'tick' });
      this.#tell(node, { type: 'grew', head: this.log.head });
      while (this.#tasks.length > 0) this.#tasks.shift()?.run();
      yield node;
    }
  }

  #isDone(): boolean {
    return this.#tasks.length === 0 && this.clients.every((client) => client.isDone);
  }

  #note(who: string, text: string): void {
    if (this.transcript.length >= transcriptLines) return;
    this.transcript.push(`${String(this.now).padStart(7)} ${who}: ${text}`);
  }

  #chance(inThousand: number): boolean {
    return !this.#calm && this.random(1000) < inThousand;
  }

  #step(): void {
    this.now += this.random(20);
    const client = this.clients[this.random(this.clients.length)];
    const node = this.#nodes[this.random(this.#nodes.length)];
    if (client === undefined || node === undefined) return;
    if (this.#chance(this.faults.crash)) this.#crash(node);
    if (this.#chance(this.faults.reconnect)) this.#connect(client);
    if (node.wakeAt <= this.now) {
      node.wakeAt = Infinity;
      this.#hear(node, { type: 'tick' });
    }
    if (this.random(2) === 0) this.#send(client);
    else {
      const [task] = this.#tasks.splice(this.random(this.#tasks.length || 1), 1);
      if (task !== undefined && task.life === task.node.life) task.run();
    }
  }

  #start(): Authority {
    return new Authority({
      head: this.log.head,
      tree: this.log.load(),
      at: { now: this.now, wall: this.wall },
      archived: false,
      limits: { ...defaultLimits, write_queue: 6, write_queue_ms: 900 },
      batchMax: 4,
      shared: true,
      ...((this.faults.asked ?? 0) > 0 && { gate: this.#gate }),
    });
  }

  /** What is asked about a write may come to be another question meanwhile. */
  readonly #gate: Gate = {
    mutate: () => [],
    screen: () => null,
    judge: ({ advice }) => {
      const verdict = advice.get(`${this.random(3)}`);
      if (verdict === null) return [];
      if (verdict !== undefined) return verdict;
      if (!this.#chance(this.faults.asked ?? 0)) return [];
      const key = `${this.random(3)}`;
      return new Consult([{ key, verdict: Promise.resolve(null) }]);
    },
    migrate: () => [],
  };

  #crash(node: Node): void {
    this.#note(`node ${node.id}`, 'crashes');
    node.life++;
    node.authority = this.#start();
    node.seen = this.log.head;
    node.wakeAt = Infinity;
    node.asked = false;
    for (const client of this.clients) {
      if (client.node !== node.id) continue;
      client.lose();
      this.#connect(client);
    }
  }

  #connect(client: Client): void {
    const node = this.#nodes[client.node];
    if (node !== undefined) this.#hear(node, { type: 'left', channel: client.channel });
    this.#channels++;
    const stays = node !== undefined && this.random(3) > 0;
    client.connect(stays ? node.id : this.random(this.#nodes.length), this.#channels);
    this.#note(client.id, `comes to node ${client.node}`);
  }

  #send(client: Client): void {
    const push = client.next();
    const node = this.#nodes[client.node];
    if (push === null || node === undefined) return;
    this.#tickets++;
    const { counter } = push;
    this.#waiting.set(this.#tickets, { client, counter, channel: client.channel });
    const limited = this.#chance(this.faults.limited);
    const submission = client.submission(push, { ticket: this.#tickets, limited });
    const what = `${counter}${push.unblock ? ', again' : ''}${limited ? ', too often' : ''}`;
    this.#note(client.id, `sends ${what}`);
    this.#hear(node, { type: 'submit', submission });
  }

  #hear(node: Node, event: AuthorityEvent): void {
    const effects = node.authority.step({ ...event, now: this.now, wall: this.wall });
    for (const effect of effects) this.#perform(node, effect);
  }

  #perform(node: Node, effect: AuthorityEffect): void {
    if (effect.type === 'committed') this.#hearOf(node, effect.ops);
    else if (effect.type === 'reply') this.#deliver(effect.ticket, effect.answer);
    else if (effect.type === 'wake') node.wakeAt = effect.at;
    else if (effect.type === 'fault') this.problems.push(String(effect.error));
    else if (effect.type === 'collect') this.#tell(node, { type: 'flush' });
    else if (effect.type === 'consult') this.#tell(node, consulted(effect));
    else {
      if (node.asked) this.problems.push(`${effect.type} while the storage was still asked`);
      node.asked = true;
      this.#later(node, () => this.#ask(node, effect));
    }
  }

  #tell(node: Node, event: AuthorityEvent): void {
    this.#later(node, () => this.#hear(node, event));
  }

  #later(node: Node, run: () => void): void {
    this.#tasks.push({ node, life: node.life, run });
  }

  /** The storage does what it was asked for; its answer comes later still. */
  #ask(node: Node, effect: AuthorityEffect): void {
    const answer = this.#answer(effect);
    if (answer === null) return;
    this.#note('log', `is to ${effect.type} for node ${node.id}: ${answer.type}`);
    this.#later(node, () => {
      node.asked = false;
      this.#hear(node, answer);
      if ('batch' in answer && this.random(4) === 0) this.#tell(node, answer);
      if (answer.type !== 'stored') return;
      for (const other of this.#nodes) {
        if (this.random(2) === 0) this.#tell(other, { type: 'grew', head: this.log.head });
      }
    });
  }

  #answer(effect: AuthorityEffect): AuthorityEvent | null {
    if (effect.type === 'append') {
      const { batch } = effect;
      if (this.#chance(this.faults.failed)) return { type: 'failed', batch };
      if (this.#chance(this.faults.unknown)) {
        if (this.random(2) === 0) this.log.append(effect.expected, effect.content);
        return { type: 'unknown', batch };
      }
    } else if (this.#chance(this.faults.unreadable)) {
      return { type: 'unreadable' };
    }
    return answerOf(this.log, effect);
  }

  /** A4: each node tells each seq once, in order, and none that is not in the log. */
  #hearOf(node: Node, ops: readonly LoggedOp[]): void {
    for (const op of ops) {
      this.#note(`node ${node.id}`, `tells ${op.seq}, ${op.clientOpId}`);
      if (op.seq !== node.seen + 1) this.problems.push(`node tells ${op.seq} after ${node.seen}`);
      const stored = this.log.ops[op.seq - 1];
      if (stored?.clientOpId !== op.clientOpId) this.problems.push(`${op.seq} is not in the log`);
      node.seen = op.seq;
    }
  }

  #deliver(ticket: number, reply: Reply): void {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined) {
      this.problems.push(`ticket ${ticket} was answered twice`);
      return;
    }
    this.#waiting.delete(ticket);
    const { client, counter, channel } = waiting;
    const seq = 'store_seq' in reply ? reply.store_seq : null;
    const op = seq === null ? undefined : this.log.ops[seq - 1];
    if (seq !== null && op?.clientOpId !== client.opId(counter)) {
      this.problems.push(`${client.opId(counter)} was told ${seq}, which is not its op`);
    }
    this.#note(client.id, `is told of ${counter}: ${JSON.stringify(reply)}`);
    const problem = client.hear({ counter, channel, reply });
    if (problem !== null) this.problems.push(problem);
    if (isRefusal(reply) && reply.retry !== 'later' && !client.roaming.has(counter)) {
      const done = this.log.ops.some(({ clientOpId }) => clientOpId === client.opId(counter));
      if (done) this.problems.push(`${client.opId(counter)} was refused, and is in the log`);
    }
  }
}

function consulted({ ticket, questions }: Extract<AuthorityEffect, { type: 'consult' }>) {
  const advice = new Map(questions.map(({ key }) => [key, null]));
  return { type: 'consulted', ticket, advice } as const;
}
