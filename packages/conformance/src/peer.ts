import { type Codec, isObject, jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocket } from 'ws';
import {
  asFrame,
  asReply,
  type Frame,
  type HeardOp,
  integerOf,
  opsIn,
  type Payload,
  type Reply,
} from './frames.ts';
import { demand, show, Violation } from './violation.ts';

/** Where a peer knocks, and how. */
export type Knock = {
  readonly address: string;
  readonly bearer: string | null;
  readonly vsn: string;
  readonly device: string;
  readonly topic: string;
  readonly timeoutMs: number;
  readonly nextId: () => string;
};

/** The server answered an upgrade over HTTP. */
export class UpgradeRefused extends Error {
  override readonly name = 'UpgradeRefused';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`the upgrade was answered with ${status} ${body}`);
    this.status = status;
    this.body = body;
  }
}

/** A bare peer at frame level: sends what it is told and keeps what it hears, in order. */
export class Peer {
  readonly device: string;
  readonly topic: string;
  readonly #socket: WebSocket;
  readonly #codec: Codec;
  readonly #knock: Knock;
  readonly #inbox: (Frame | Violation)[] = [];
  #wake: () => void = () => undefined;
  #refs = 0;
  #joinRef: string | null = null;
  #closed: number | null = null;

  private constructor(socket: WebSocket, knock: Knock) {
    this.device = knock.device;
    this.topic = knock.topic;
    this.#socket = socket;
    this.#knock = knock;
    this.#codec = knock.vsn === '3.0.0' ? messagePackCodec() : jsonCodec;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#inbox.push(this.#read(data, isBinary));
      this.#wake();
    });
    socket.on('close', (code: number) => {
      this.#closed = code;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  /** Opens a socket; rejects with {@link UpgradeRefused} where it is answered over HTTP. */
  static connect(knock: Knock): Promise<Peer> {
    const headers = knock.bearer === null ? {} : { authorization: `Bearer ${knock.bearer}` };
    const handshakeTimeout = knock.timeoutMs;
    const socket = new WebSocket(knock.address, { headers, handshakeTimeout });
    return new Promise((resolve, reject) => {
      const peer = new Peer(socket, knock);
      socket.on('open', () => resolve(peer));
      socket.on('error', reject);
      socket.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (part: Buffer) => (body += part.toString()));
        response.on('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, body)));
      });
    });
  }

  get joinRef(): string | null {
    return this.#joinRef;
  }

  send(frame: readonly unknown[]): void {
    this.#socket.send(this.#codec.encode(frame));
  }

  /** Sends text or bytes as they are. */
  sendRaw(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  /** A ref not used before on this socket. */
  ref(): string {
    this.#refs += 1;
    return String(this.#refs);
  }

  /** The next frame. */
  async next(waitingFor = 'a frame'): Promise<Frame> {
    const deadline = performance.now() + this.#knock.timeoutMs;
    for (;;) {
      const frame = this.#inbox.shift();
      if (frame instanceof Violation) throw frame;
      if (frame !== undefined) return frame;
      demand(
        this.#closed === null,
        `the socket closed with ${this.#closed} instead of ${waitingFor}`,
      );
      await this.#something(deadline, waitingFor);
    }
  }

  /** The frames up to and with the first that fits. */
  async until(fits: (frame: Frame) => boolean, waitingFor: string): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next(waitingFor);
      frames.push(frame);
      if (fits(frame)) return frames;
    }
  }

  /** Joins the topic and returns the reply. */
  async join(payload: Payload, topic: string = this.topic): Promise<Reply> {
    const ref = this.ref();
    this.#joinRef = ref;
    this.send([ref, ref, topic, 'phx_join', payload]);
    return this.reply(ref);
  }

  /** Pushes and returns the ref, to be answered later. */
  push(event: string, payload: Payload): string {
    const ref = this.ref();
    this.send([this.#joinRef, ref, this.topic, event, payload]);
    return ref;
  }

  /** Pushes and waits for the reply. */
  ask(event: string, payload: Payload): Promise<Reply> {
    return this.reply(this.push(event, payload));
  }

  /** The reply to a ref; frames before it are passed over. */
  async reply(ref: string): Promise<Reply> {
    const [last] = (await this.upToReply(ref)).slice(-1);
    demand(last !== undefined, 'no reply');
    return asReply(last);
  }

  /** The frames up to and with the reply to a ref. */
  upToReply(ref: string): Promise<readonly Frame[]> {
    return this.until((each) => each[1] === ref && each[3] === 'phx_reply', `the reply to ${ref}`);
  }

  /** Writes under an op id of its own, and waits for the reply. */
  write(op: string, path: string, more: Payload = {}): Promise<Reply> {
    return this.ask('write', { op, path, client_op_id: this.#knock.nextId(), ...more });
  }

  /** A `set` that must succeed; returns its seq. */
  async put(path: string, value: unknown): Promise<number> {
    return this.seq('set', path, { value });
  }

  /** A write that must succeed; returns its seq. */
  async seq(op: string, path: string, more: Payload = {}): Promise<number> {
    return integerOf(accepted(await this.write(op, path, more)), 'store_seq');
  }

  /** The frames up to and with `catch_up_complete`. */
  caughtUp(): Promise<readonly Frame[]> {
    return this.until((each) => each[3] === 'catch_up_complete', 'catch_up_complete');
  }

  /** The ops that come up to and with the one of a seq. */
  async hear(seq: number): Promise<readonly HeardOp[]> {
    return opsIn(await this.until((frame) => lastSeq(frame) >= seq, `the op of seq ${seq}`));
  }

  /** What comes until the server has answered a heartbeat that is sent now: nothing else was on its way to this peer. */
  async settled(): Promise<readonly Frame[]> {
    const ref = this.ref();
    this.send([null, ref, 'phoenix', 'heartbeat', {}]);
    return (await this.upToReply(ref)).slice(0, -1);
  }

  /** The code with which the server closes the socket. */
  async closed(): Promise<number> {
    const deadline = performance.now() + this.#knock.timeoutMs;
    while (this.#closed === null) await this.#something(deadline, 'the socket to close');
    return this.#closed;
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#socket.terminate();
  }

  #read(data: Buffer, isBinary: boolean): Frame | Violation {
    try {
      demand(isBinary === this.#codec.binary, `a ${isBinary ? 'binary' : 'text'} frame came`);
      return asFrame(this.#codec.decode(isBinary ? data : data.toString()));
    } catch (error) {
      return error instanceof Violation ? error : new Violation(`unreadable: ${String(error)}`);
    }
  }

  async #something(deadline: number, waitingFor: string): Promise<void> {
    const left = deadline - performance.now();
    demand(left > 0, `waited ${this.#knock.timeoutMs} ms for ${waitingFor}`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, left);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The response of a reply that must be ok. */
export function accepted({ status, response }: Reply): Payload {
  demand(status === 'ok', `refused: ${show(response)}`);
  return response;
}

/** Demands a refusal with a reason and these fields; others may be there, as a `message` is. */
export function refused({ status, response }: Reply, expected: Payload): Payload {
  demand(status === 'error', `accepted, instead of ${show(expected)}: ${show(response)}`);
  for (const [field, value] of Object.entries(expected)) {
    demand(
      JSON.stringify(response[field]) === JSON.stringify(value),
      `expected the refusal ${show(expected)}, got ${show(response)}`,
    );
  }
  return response;
}

/** The body of a refused upgrade. */
export function refusalBody(refusal: UpgradeRefused): Payload {
  const body: unknown = JSON.parse(refusal.body);
  demand(isObject(body), `the body of the refused upgrade is no object: ${refusal.body}`);
  return body;
}

function lastSeq(frame: Frame): number {
  return opsIn([frame]).at(-1)?.seq ?? 0;
}
