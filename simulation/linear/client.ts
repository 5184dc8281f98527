import { once } from 'node:events';
import { isObject, jsonCodec } from '@holdfast/protocol';
import { WebSocket } from 'ws';
import { token } from '../place.ts';
import type { Dice } from '../src/dice.ts';
import { type Breakage, misread } from './broken.ts';
import type { Ask, Call, Told } from './model.ts';

type Fields = { readonly [field: string]: unknown };

const leaseTtlMs = 15;

/** A bare client: it asks one thing after the other, and remembers when it asked, what it was told, and when. */
export class LinearClient {
  readonly calls: Call[] = [];
  readonly #number: number;
  readonly #dice: Dice;
  readonly #breakage: Breakage | null;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (reply: Fields) => void>();
  #refs = 0;
  #joinRef = '';
  #topic = '';
  /** What it believes of the store it asks now. */
  #revision = 0;
  #token = 0;
  #seq = 0;

  constructor(number: number, url: string, by: { dice: Dice; breakage: Breakage | null }) {
    this.#number = number;
    this.#dice = by.dice;
    this.#breakage = by.breakage;
    const device = { token, device_id: `client-${number}`, vsn: '2.0.0', capver: '4' };
    const query = new URLSearchParams(device).toString();
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/ws/sync/websocket?${query}`);
    this.#socket.on('message', (data: Buffer) => this.#hear(jsonCodec.decode(data.toString())));
  }

  async open(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) await once(this.#socket, 'open');
  }

  close(): void {
    this.#socket.terminate();
  }

  /** Turns to a store that nobody has written yet. */
  async join(store: string): Promise<void> {
    this.calls.length = 0;
    this.#topic = `store:${store}`;
    this.#joinRef = String(this.#refs + 1);
    [this.#revision, this.#token, this.#seq] = [0, 0, 0];
    await this.#push('phx_join', { last_store_seq: 0, patterns: [] });
  }

  async leave(): Promise<void> {
    await this.#push('phx_leave', {});
  }

  /** Asks so many things, each after the answer to the one before. */
  async work(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const ask = this.#choose();
      const from = performance.now();
      const told = this.#believe(await this.#ask(ask));
      this.calls.push({ client: this.#number, ask, told, from, until: performance.now() });
    }
  }

  #choose(): Ask {
    const roll = this.#dice.below(20);
    const ttlMs = this.#dice.chance(0.5) ? leaseTtlMs : 60_000;
    if (roll < 5) return { kind: 'swap', ifMatch: this.#revision };
    if (roll < 6) return { kind: 'remove', ifMatch: this.#revision };
    if (roll < 9) return { kind: 'claim' };
    if (roll < 11) return { kind: 'unclaim' };
    if (roll < 14 || this.#token === 0) {
      return { kind: 'acquire', holder: `client-${this.#number}`, ttlMs };
    }
    if (roll < 15) return { kind: 'renew', token: this.#token, ttlMs };
    if (roll < 17) return { kind: 'release', token: this.#token };
    return { kind: 'fenced', token: this.#token };
  }

  async #ask(ask: Ask): Promise<Told> {
    const isLost = this.#breakage === 'acknowledges in vain' && this.#dice.chance(0.1);
    if (isLost) return { seq: this.#seq + 1, token: this.#seq + 1 };
    const fields = { ...payloadOf(ask), client_op_id: `op-${this.#refs}` };
    const { status, response } = await this.#push('write', misread(fields, this.#breakage));
    const told = toldOf(status, isObject(response) ? response : {});
    const isLate = this.#breakage === 'answers from before' && this.#dice.chance(0.3);
    if (isLate && 'revision' in told) return { ...told, revision: this.#revision };
    return told;
  }

  #believe(told: Told): Told {
    if ('seq' in told) [this.#revision, this.#seq] = [told.seq, told.seq];
    if ('token' in told) this.#token = told.token ?? 0;
    if ('revision' in told) this.#revision = told.revision ?? 0;
    return told;
  }

  #push(event: string, payload: object): Promise<Fields> {
    this.#refs += 1;
    const ref = String(this.#refs);
    const reply = new Promise<Fields>((resolve) => this.#waiting.set(ref, resolve));
    this.#socket.send(jsonCodec.encode([this.#joinRef, ref, this.#topic, event, payload]));
    return reply;
  }

  #hear(frame: unknown): void {
    const [, ref, , event, payload]: unknown[] = Array.isArray(frame) ? frame : [];
    if (event !== 'phx_reply' || !isObject(payload)) return;
    this.#waiting.get(String(ref))?.(payload);
    this.#waiting.delete(String(ref));
  }
}

function payloadOf(ask: Ask): Fields {
  const value = 'x';
  switch (ask.kind) {
    case 'swap':
      return { op: 'set', path: 'register', value, if_match: ask.ifMatch };
    case 'remove':
      return { op: 'delete', path: 'register', if_match: ask.ifMatch };
    case 'claim':
      return { op: 'set', path: 'claim', value, if_absent: true };
    case 'unclaim':
      return { op: 'delete', path: 'claim' };
    case 'acquire':
      return { op: 'lease', path: 'lock', holder: ask.holder, ttl_ms: ask.ttlMs };
    case 'renew':
      return { op: 'renew', path: 'lock', token: ask.token, ttl_ms: ask.ttlMs };
    case 'release':
      return { op: 'release', path: 'lock', token: ask.token };
    case 'fenced':
      return { op: 'set', path: 'register', value, fence: { key: 'lock', token: ask.token } };
  }
}

function toldOf(status: unknown, response: Fields): Told {
  if (status === 'ok' && response['released'] === false) return { released: false };
  if (status === 'ok') {
    const seq = Number(response['store_seq']);
    return 'token' in response ? { seq, token: Number(response['token']) } : { seq };
  }
  const { reason, current_revision: revision, holder } = response;
  return {
    refused: String(reason),
    ...(revision !== undefined && { revision: revision === null ? null : Number(revision) }),
    ...(typeof holder === 'string' && { holder }),
  };
}
