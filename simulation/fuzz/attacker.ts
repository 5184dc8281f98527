import { setTimeout as pause } from 'node:timers/promises';
import { isUtf8 } from 'node:buffer';
import {
  type BadFrame,
  type Codec,
  defaultLimits,
  type Frame,
  isBadFrame,
  jsonCodec,
  readFrame,
  refuse,
} from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocket } from 'ws';
import { storeName, strangerToken as token } from '../place.ts';
import type { Dice } from '../src/dice.ts';
import { Expectations } from './expectations.ts';
import { anyTuple, type Forge } from './frames.ts';

/** How an attacker speaks. */
export type Manner = {
  readonly vsn: '2.0.0' | '3.0.0';
  readonly capver: 3 | 4 | 99;
  readonly mount: '/ws/sync/websocket' | '/socket/websocket';
};

const topic = `store:${storeName}`;
const batchFrames = 60;
/** A server without rates lets rollbacks wait for each other, and late in a long run each looks through 100,000 ops. */
const patienceMs = 120_000;
/** What may end a socket that was sent rubbish: undecodable frames, a broken message, a message or a pile too large. */
const deserved: ReadonlySet<number> = new Set([1002, 1003, 1007, 1009, 1013]);

/** One peer that sends anything at all, and knows what it must be answered. */
export class Attacker {
  readonly name: string;
  readonly problems: string[] = [];
  frames = 0;
  answered = 0;
  accepted = 0;
  ended = 0;
  /** The longest that anything waited for its answer, in milliseconds. */
  slowest = 0;
  readonly #port: number;
  readonly #manner: Manner;
  readonly #codec: Codec;
  readonly #dice: Dice;
  /** Hears that there are more frames. */
  readonly #sent: () => void;
  #socket: WebSocket | null = null;
  #expectations = new Expectations();
  #closed: number | null = null;
  /** It was sent something that ends it. */
  #isSoiled = false;
  #joinRef: string | null = null;
  #refs = 0;
  #changed: () => void = () => undefined;

  constructor(
    name: string,
    port: number,
    { manner, dice, sent }: { manner: Manner; dice: Dice; sent: () => void },
  ) {
    this.#sent = sent;
    this.name = name;
    this.#port = port;
    this.#manner = manner;
    this.#dice = dice;
    this.#codec = manner.vsn === '2.0.0' ? jsonCodec : messagePackCodec();
  }

  /** Sends frames until that many are sent. */
  async attack(frames: number): Promise<void> {
    while (this.frames < frames && this.problems.length < 20) {
      if (this.#socket === null) await this.#open();
      await this.#batch();
      this.#sent();
    }
    this.#hangUp();
  }

  async #open(): Promise<void> {
    const { vsn, capver, mount } = this.#manner;
    const query = new URLSearchParams({ token, device_id: this.name, vsn, capver: String(capver) });
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}${mount}?${query.toString()}`);
    this.#socket = socket;
    this.#closed = null;
    this.#isSoiled = false;
    this.#joinRef = null;
    this.#expectations = new Expectations();
    const opened = new Promise<void>((resolve) => {
      socket.on('open', () => resolve());
      socket.on('close', () => resolve());
    });
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (this.#socket === socket) this.#hear(data, isBinary);
    });
    socket.on('error', () => undefined);
    socket.on('close', (code: number) => {
      if (this.#socket !== socket) return;
      this.#closed = code;
      this.#changed();
    });
    await opened;
  }

  #hear(data: Buffer, isBinary: boolean): void {
    const frame = readFrame(this.#codec.decode(isBinary ? data : data.toString()));
    if (isBadFrame(frame)) this.problems.push(`the server sent a bad frame: ${data.toString()}`);
    else this.#expectations.received(frame);
    this.#changed();
  }

  /** A pile of frames, then a write that must be taken whatever came before it (S9). */
  async #batch(): Promise<void> {
    this.#send([this.#joinRef, this.#nextRef(), topic, 'phx_leave', {}], 0.02);
    if (this.#joinRef === null || this.#dice.chance(0.1)) this.#join();
    for (let i = 0; i < batchFrames; i++) this.#shoot();
    const isAnswered = await this.#until(() => !this.#isSoiled && this.#expectations.isMet);
    if (isAnswered && this.#closed === null) await this.#proveHealth();
    this.#settle();
  }

  #shoot(): void {
    const dice = this.#dice;
    const roll = dice.below(1000);
    if (roll < 4) this.#sendBytes(randomBytes(dice));
    else if (roll < 8) this.#send(this.#huge());
    else if (roll < 35) this.#sendBytes(this.#mangled());
    else this.#send(anyTuple(this.#forge()));
  }

  #forge(): Forge {
    const dice = this.#dice;
    return { dice, topic, joinRef: this.#joinRef, nextRef: () => this.#nextRef() };
  }

  #huge(): readonly unknown[] {
    const { max_frame_bytes: limit, hard_frame_bytes: hardLimit } = defaultLimits;
    const length = this.#dice.chance(0.05) ? hardLimit : limit - 250 + this.#dice.below(300);
    const value = 'x'.repeat(length);
    const payload = { op: 'set', path: 'fuzz/huge', value, client_op_id: this.#nextRef() };
    return [null, this.#nextRef(), topic, 'write', payload];
  }

  /** The bytes of a frame with some of them changed. */
  #mangled(): Buffer {
    const dice = this.#dice;
    const bytes = Buffer.from(this.#codec.encode(anyTuple(this.#forge())));
    const roll = dice.below(3);
    if (roll === 0) return bytes.subarray(0, dice.below(bytes.length));
    if (roll === 1) return Buffer.concat([bytes, randomBytes(dice)]);
    for (let i = 0; i <= dice.below(3); i++) bytes[dice.below(bytes.length)] = dice.below(256);
    return bytes;
  }

  #join(): void {
    const ref = this.#nextRef();
    this.#joinRef = ref;
    this.#send([ref, ref, topic, 'phx_join', { last_store_seq: 0, patterns: [] }]);
  }

  /** Afterwards a valid write on the topic succeeds, on the same channel where it is still there. */
  async #proveHealth(): Promise<void> {
    this.#join();
    const ref = this.#nextRef();
    const payload = { op: 'set', path: `probe/${this.name}`, value: ref, client_op_id: ref };
    const before = this.#expectations.accepted;
    this.#send([this.#joinRef, ref, topic, 'write', payload]);
    await this.#until(() => this.#expectations.isMet);
    if (this.#closed === null && this.#expectations.accepted < before + 2) {
      const told = JSON.stringify(this.#expectations.lastResponse);
      this.problems.push(`${this.name}: a valid write was not taken: ${told}`);
    }
  }

  /** Sends a frame as its bytes, and notes what the server will make of them. */
  #send(tuple: readonly unknown[], probability = 1): void {
    if (probability < 1 && !this.#dice.chance(probability)) return;
    const data = this.#codec.encode(tuple);
    this.#transmit(data, typeof data !== 'string');
  }

  #sendBytes(bytes: Buffer): void {
    const isBinary = this.#codec.binary || this.#dice.chance(0.2);
    this.#transmit(bytes, isBinary);
    // Text that is not UTF-8 ends the socket, as RFC 6455 has it.
    this.#isSoiled ||= !isBinary && !isUtf8(bytes);
  }

  #transmit(data: string | Uint8Array, isBinary: boolean): void {
    const socket = this.#socket;
    if (socket === null || this.#closed !== null || this.#isSoiled) return;
    this.frames += 1;
    const frame = this.#understood(data, isBinary);
    this.#expectations.sent(frame);
    this.#joinRef = this.#expectations.joinRefOf(topic);
    socket.send(data, { binary: isBinary });
    this.#isSoiled ||= Buffer.byteLength(data) > defaultLimits.hard_frame_bytes;
  }

  #understood(data: string | Uint8Array, isBinary: boolean): Frame | BadFrame {
    const frame = decoded(data, isBinary, this.#codec);
    const bytes = Buffer.byteLength(data);
    const limit = defaultLimits.max_frame_bytes;
    if (bytes <= limit || (isBadFrame(frame) && frame.kind === 'unreadable')) return frame;
    const { joinRef, ref, topic: at } = frame;
    return { kind: 'bad', joinRef, ref, topic: at, refusal: refuse('frame_too_large', { limit }) };
  }

  /** Waits for something; false where the socket closed, or patience ended, before. */
  async #until(isTrue: () => boolean): Promise<boolean> {
    const ended = new AbortController();
    const since = performance.now();
    const late = pause(patienceMs, 'late', { signal: ended.signal }).catch(() => 'ended');
    while (!isTrue() && this.#closed === null) {
      const change = new Promise<string>((resolve) => (this.#changed = () => resolve('changed')));
      if ((await Promise.race([change, late])) !== 'late') continue;
      const missing = this.#expectations.missing();
      this.problems.push(`${this.name}: not answered: ${missing.slice(0, 5).join('\n')}`);
      this.#hangUp();
      return false;
    }
    ended.abort();
    this.slowest = Math.max(this.slowest, Math.round(performance.now() - since));
    return this.#closed === null;
  }

  #settle(): void {
    const { problems, unreadable } = this.#expectations;
    for (const problem of problems.splice(0)) this.problems.push(`${this.name}: ${problem}`);
    if (this.#closed === null) return;
    const isDeserved = deserved.has(this.#closed) && (this.#isSoiled || unreadable >= 10);
    if (!isDeserved) this.problems.push(`${this.name}: closed with ${this.#closed}`);
    this.ended += 1;
    this.#hangUp();
  }

  #hangUp(): void {
    this.answered += this.#expectations.answered;
    this.accepted += this.#expectations.accepted;
    this.#expectations = new Expectations();
    this.#socket?.terminate();
    this.#socket = null;
  }

  #nextRef(): string {
    this.#refs += 1;
    return `${this.name}-${this.#refs}`;
  }
}

function decoded(data: string | Uint8Array, isBinary: boolean, codec: Codec): Frame | BadFrame {
  if (isBinary && !codec.binary) return { kind: 'unreadable' };
  try {
    const text = typeof data === 'string' ? data : Buffer.from(data).toString();
    return readFrame(isBinary ? codec.decode(data) : jsonCodec.decode(text));
  } catch {
    return { kind: 'unreadable' };
  }
}

function randomBytes(dice: Dice): Buffer {
  return Buffer.from(Array.from({ length: dice.below(40) }, () => dice.below(256)));
}
