import { createHmac } from 'node:crypto';
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isObject, type Seq } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { WebhookMutant } from './mutants.ts';

/** What a receiver was sent, and what it said to that. */
export type Delivery = {
  /** The seqs that it is about: one, or those of a gap. */
  readonly from: Seq;
  readonly seq: Seq;
  readonly body: { readonly [name: string]: unknown };
  readonly isGap: boolean;
  readonly isSigned: boolean;
  readonly id: string;
  /** How many servers had ended when it was sent; it may come after the end of its own. */
  readonly crashes: number;
  /** It was answered with success. */
  isTaken: boolean;
};

/** How a receiver is: it takes what comes, or says no, breaks the line, says nothing, or says it when nobody listens any more. */
const moods = ['refuses', 'breaks', 'silent', 'late'] as const;

/** So many deliveries of a hundred it does not take, and never more in a row: the next attempt would be an hour away. */
const badPercent = 6;
const badMax = 2;
const answerMs = 200;
const lateMs = 6000;

/** Whoever is told of a store by a webhook (stores.md §17): an HTTP server on the network of a world. */
export class Receiver {
  readonly name: string;
  readonly pattern: string;
  readonly deliveries: Delivery[] = [];
  readonly #world: World;
  readonly #dice: Dice;
  readonly #spoils: (mutant: WebhookMutant) => boolean;
  #secret = '';
  #bad = 0;
  #open: Delivery | null = null;

  constructor(
    world: World,
    { name, pattern }: { readonly name: string; readonly pattern: string },
    spoils: (mutant: WebhookMutant) => boolean,
  ) {
    this.name = name;
    this.pattern = pattern;
    this.#world = world;
    this.#dice = world.dice.fork();
    this.#spoils = spoils;
  }

  /** From now on it takes all. */
  isWell = false;

  get url(): string {
    return `http://10.1.1.1/${this.name}`;
  }

  /** Has itself told of the store. Asked again it is the same webhook: the answer may have got lost. */
  async subscribe(store: string): Promise<void> {
    const { fetch, token } = this.#door();
    for (;;) {
      try {
        const answer = await fetch(`http://simulated.example/api/stores/${store}/webhooks`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'idempotency-key': this.name,
          },
          body: JSON.stringify({ url: this.url, patterns: [this.pattern] }),
        });
        const told: unknown = await answer.json();
        if (answer.ok && isObject(told)) {
          this.#secret = String(told['secret']);
          return;
        }
        this.#world.note(this.name, `no webhook: ${JSON.stringify(told)}`);
      } catch (error) {
        this.#world.note(this.name, String(error));
      }
      await this.#world.sleep(500);
    }
  }

  #door(): {
    readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
    token: string;
  } {
    const device = this.#world.device('owner');
    return { fetch: (url, init) => device.fetch(url, init), token: device.token };
  }

  /** Takes what is sent to its URL. */
  async hear(request: IncomingMessage, response: ServerResponse, crashes: number): Promise<void> {
    const pieces: Buffer[] = [];
    request.on('error', () => undefined);
    try {
      for await (const piece of request) pieces.push(piece as Buffer);
    } catch {
      // Whoever asked is gone.
      return;
    }
    const delivery = this.#read(request, Buffer.concat(pieces).toString(), crashes);
    if (this.#open !== null && this.#open.crashes === delivery.crashes) {
      this.#world.problem(`ordered: ${this.name}: ${delivery.seq} comes beside ${this.#open.seq}`);
    }
    this.#open = delivery;
    response.once('close', () => {
      if (this.#open === delivery) this.#open = null;
    });
    this.#note(delivery);
    this.#answer(delivery, response);
  }

  #read({ headers }: IncomingMessage, text: string, crashes: number): Delivery {
    const body: unknown = JSON.parse(text);
    const told = isObject(body) ? body : {};
    const isGap = told['event'] === 'gap';
    const seq = Number(isGap ? told['to_seq'] : told['store_seq']);
    const sum = createHmac('sha256', this.#secret).update(text).digest('hex');
    const isSigned = headers['x-dust-signature'] === `sha256=${sum}`;
    return {
      from: isGap ? Number(told['from_seq']) : seq,
      seq,
      body: this.#spoils('a delivery tells another value') ? { ...told, value: 'another' } : told,
      isGap,
      isSigned: isSigned && !this.#spoils('a signature is another'),
      id: this.#spoils('a delivery has another name')
        ? 'another'
        : String(headers['holdfast-delivery']),
      crashes,
      isTaken: false,
    };
  }

  #note(delivery: Delivery): void {
    if (this.#spoils('a delivery is lost')) return;
    this.deliveries.push(delivery);
    if (this.#spoils('two deliveries change places')) {
      this.deliveries.push(...this.deliveries.splice(-2).toReversed());
    }
  }

  #answer(delivery: Delivery, response: ServerResponse): void {
    const isBad = !this.isWell && this.#bad < badMax && this.#dice.below(100) < badPercent;
    this.#bad = isBad ? this.#bad + 1 : 0;
    const mood = isBad ? this.#dice.pick(moods) : 'takes';
    if (mood === 'silent') return;
    const after = mood === 'late' ? lateMs : this.#dice.below(answerMs);
    this.#world.later(after, () => {
      if (mood === 'breaks') {
        response.destroy();
        return;
      }
      // One that has not been heard of in time is not taken.
      if (mood === 'takes' && !response.destroyed) this.#took(delivery);
      response.writeHead(mood === 'refuses' ? 500 : 204).end();
    });
  }

  #took(delivery: Delivery): void {
    delivery.isTaken = !this.#spoils('what was refused is not sent again');
    if (this.#spoils('a delivery comes twice')) this.deliveries.push(delivery);
  }
}

/** Has what servers ask of others over HTTP come to these receivers; gives what ends that. */
export function reroute(world: World, receivers: readonly Receiver[]): () => void {
  const { createConnection } = Agent.prototype;
  const sentAfter = new WeakMap<Socket, number>();
  const http = createServer((request, response) => {
    const receiver = receivers.find(({ name }) => request.url === `/${name}`);
    void receiver?.hear(request, response, sentAfter.get(request.socket) ?? 0);
  });
  Agent.prototype.createConnection = () => {
    const { crashes } = world.site;
    return world.site.dial((socket) => {
      sentAfter.set(socket, crashes);
      http.emit('connection', socket);
    });
  };
  return () => {
    Agent.prototype.createConnection = createConnection;
  };
}
