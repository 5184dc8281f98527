import { type Codec, jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocket } from 'ws';

/** A frame as the wire carries it: `[join_ref, ref, topic, event, payload]`. */
export type WireFrame = readonly [string | null, string | null, string, string, Payload];
/** A payload as decoded; tests look into it freely. */
export type Payload = { readonly [field: string]: unknown };

/** How a peer knocks. Everything can be left out or wrong. */
export type Knock = {
  readonly mount?: string;
  readonly token?: string | null;
  readonly device?: string | null;
  readonly capver?: string | null;
  readonly vsn?: string | null;
  readonly headers?: { readonly [name: string]: string };
  /** Whether pings are answered; they are unless this is false. */
  readonly pongs?: boolean;
};

/** A bare peer at frame level: sends what it is told and keeps what it hears, in order. */
export class Peer {
  readonly device: string;
  readonly #socket: WebSocket;
  readonly #codec: Codec;
  readonly #inbox: WireFrame[] = [];
  readonly #heard: WireFrame[] = [];
  #waiting: (() => void)[] = [];
  #heardBytes = 0;
  #pings = 0;
  #refs = 0;
  #joinRef: string | null = null;
  #closed: { readonly code: number } | null = null;

  private constructor(socket: WebSocket, codec: Codec, device: string) {
    this.device = device;
    this.#socket = socket;
    this.#codec = codec;
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary !== codec.binary) throw new Error('a frame came in the wrong format');
      this.#heardBytes += data.length;
      const frame = codec.decode(isBinary ? data : data.toString()) as WireFrame;
      this.#inbox.push(frame);
      this.#heard.push(frame);
      this.#wake();
    });
    socket.on('close', (code: number) => {
      this.#closed = { code };
      this.#wake();
    });
    socket.on('ping', () => (this.#pings += 1));
    socket.on('error', () => undefined);
  }

  /** Opens a socket; rejects with the status and body where the upgrade is refused. */
  static connect(url: string, knock: Knock = {}): Promise<Peer> {
    const codec = knock.vsn === '3.0.0' ? messagePackCodec() : jsonCodec;
    const device = knock.device ?? 'd1';
    const socket = new WebSocket(knockUrl(url, knock), {
      headers: { ...knock.headers },
      autoPong: knock.pongs ?? true,
    });
    return new Promise((resolve, reject) => {
      const peer = new Peer(socket, codec, device);
      socket.on('open', () => resolve(peer));
      socket.on('error', reject);
      socket.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (part: Buffer) => (body += part.toString()));
        response.on('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, body)));
      });
    });
  }

  /** Everything heard since the socket opened. */
  get heard(): readonly WireFrame[] {
    return this.#heard;
  }

  /** The size of all of it on the wire, but for a few bytes of framing each. */
  get heardBytes(): number {
    return this.#heardBytes;
  }

  /** How often it was asked for a sign of life. */
  get pings(): number {
    return this.#pings;
  }

  get joinRef(): string | null {
    return this.#joinRef;
  }

  send(frame: readonly unknown[]): void {
    this.#socket.send(this.#codec.encode(frame));
  }

  /** Sends bytes or text as they are. */
  sendRaw(data: string | Uint8Array): void {
    this.#socket.send(data);
  }

  /** A ref not used before on this socket. */
  ref(): string {
    this.#refs += 1;
    return String(this.#refs);
  }

  /** The next frame not taken yet. Rejects when the socket closes first. */
  async next(): Promise<WireFrame> {
    for (;;) {
      const frame = this.#inbox.shift();
      if (frame !== undefined) return frame;
      if (this.#closed !== null) throw new Error(`closed with ${this.#closed.code}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The next frame that fits; those before it are passed over. */
  async until(fits: (frame: WireFrame) => boolean): Promise<WireFrame> {
    for (;;) {
      const frame = await this.next();
      if (fits(frame)) return frame;
    }
  }

  /** Joins a topic and returns the reply's payload. */
  async join(topic: string, payload: object = { last_store_seq: 0 }): Promise<Reply> {
    const ref = this.ref();
    this.#joinRef = ref;
    this.send([ref, ref, topic, 'phx_join', payload]);
    return this.reply(ref);
  }

  /** Pushes and returns the ref, to be answered later. */
  push(topic: string, event: string, payload: object): string {
    const ref = this.ref();
    this.send([this.#joinRef, ref, topic, event, payload]);
    return ref;
  }

  /** Pushes and waits for the reply; other frames before it are passed over. */
  ask(topic: string, event: string, payload: object): Promise<Reply> {
    return this.reply(this.push(topic, event, payload));
  }

  /** The reply to a ref. */
  async reply(ref: string): Promise<Reply> {
    const frame = await this.until((each) => each[1] === ref && each[3] === 'phx_reply');
    return frame[4] as Reply;
  }

  /** The frames up to and with the next `catch_up_complete`. */
  async caughtUp(): Promise<readonly WireFrame[]> {
    const frames: WireFrame[] = [];
    for (;;) {
      const frame = await this.next();
      frames.push(frame);
      if (frame[3] === 'catch_up_complete') return frames;
    }
  }

  /** The code with which the socket closes. */
  async closed(): Promise<number> {
    while (this.#closed === null) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#closed.code;
  }

  /** Stops and goes on reading from the socket. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends a pong that nobody asked for. */
  pong(payload: string): void {
    this.#socket.pong(payload);
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.#socket.terminate();
  }

  close(): void {
    this.#socket.close();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** The payload of a `phx_reply`. */
export type Reply = { readonly status: 'ok' | 'error'; readonly response: Payload };

/** The upgrade was answered over HTTP. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly body: Payload;

  constructor(status: number, body: string) {
    super(`upgrade refused: ${status} ${body}`);
    this.status = status;
    this.body = JSON.parse(body) as Payload;
  }
}

function knockUrl(url: string, knock: Knock): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string | null): void => {
    if (value !== null) query.set(name, value);
  };
  put('token', knock.token === undefined ? 'dev' : knock.token);
  put('device_id', knock.device === undefined ? 'd1' : knock.device);
  put('capver', knock.capver === undefined ? '4' : knock.capver);
  put('vsn', knock.vsn === undefined ? '2.0.0' : knock.vsn);
  return `${url.replace('http', 'ws')}${knock.mount ?? '/ws/sync/websocket'}?${query.toString()}`;
}
