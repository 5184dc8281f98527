import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Codec, jsonCodec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { WebSocketServer } from 'ws';
import { ownerOf, type Principal } from '../access/index.ts';
import { Crowd } from '../host/crowd.ts';
import { endSpan, startServerSpan } from '../tracing/index.ts';
import { Connection } from './connection.ts';
import { Rechecks } from './rechecks.ts';
import type { SocketRoom } from './room.ts';
import { DEFLATE_BYTES_MIN, deflated } from './wire.ts';
import {
  type Handshake,
  type HandshakeRefusal,
  isMount,
  readHandshake,
  refuseUpgrade,
} from './upgrade.ts';

const SWEEP_MS = 1000;
/** For so long a client that is still on its way to the events before its answers may take them when the server closes. */
const ANSWERS_GRACE_MS = 5000;
/** So many clients a second are asked how far they are; where there are more, they take turns. */
const ASKS_MAX = 200;
/** What a client says that has no room for the usual window of what is compressed (RFC 7692 §7.1.2.1). */
const NARROW = 'server_max_window_bits';
const RECHECK_SWEEPS = 2;
const shuttingDown: HandshakeRefusal = {
  error: 'too_many_connections',
  detail: 'The server is shutting down.',
};
/** Clients are told the same as of a token; operators are told apart what is their configuration's to mend. */
const strangeOrigin: HandshakeRefusal = { error: 'unauthorized', detail: 'Origin not allowed.' };
const codecs: { readonly [vsn: string]: Codec } = {
  '2.0.0': jsonCodec,
  '3.0.0': messagePackCodec(),
};

const deflatedCodecs = new Map(Object.values(codecs).map((each) => [each, deflated(each)]));

function deflatedOf(codec: Codec): Codec {
  return deflatedCodecs.get(codec) ?? codec;
}

/** Every open socket of a server: upgrades, the sweep that looks after them, their orderly end. */
export class Sockets {
  readonly #room: SocketRoom;
  readonly #originAllowed: (request: IncomingMessage) => boolean;
  readonly #server: WebSocketServer;
  readonly #open = new Set<Connection>();
  readonly #owned = new Map<string, number>();
  readonly #rechecks: Rechecks;
  /** Who is asked next how far it is. */
  #nextAsked: Iterator<Connection>;
  #timer: unknown = null;
  #sweeps = 0;
  #draining = false;
  #emptied: () => void = () => undefined;

  constructor(
    room: Omit<SocketRoom, 'crowd'>,
    originAllowed: (request: IncomingMessage) => boolean,
  ) {
    this.#room = { ...room, crowd: new Crowd(room.clock) };
    this.#rechecks = new Rechecks(room, this.#open);
    this.#nextAsked = this.#open.values();
    this.#originAllowed = originAllowed;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: room.limits.hard_frame_bytes,
      perMessageDeflate: room.deflate && {
        threshold: DEFLATE_BYTES_MIN,
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
      clientTracking: false,
    });
    this.#arm();
  }

  get size(): number {
    return this.#open.size;
  }

  /** How many queries are evaluated for them. */
  get queries(): number {
    return this.#room.fanouts.queries;
  }

  /** What all sockets together still have to send. */
  get unsentBytes(): number {
    let bytes = 0;
    for (const { outbox } of this.#open) bytes += outbox.unsentBytes;
    return bytes;
  }

  /** What all sockets together have joined. */
  channels(): { readonly store: number; readonly presence: number } {
    let store = 0;
    let presence = 0;
    for (const connection of this.#open) {
      const standing = connection.standing();
      store += standing.stores;
      presence += standing.presence;
    }
    return { store, presence };
  }

  /** Answers one upgrade request, whatever it holds. */
  upgrade(request: IncomingMessage, raw: Duplex, head: Buffer): void {
    raw.on('error', () => raw.destroy());
    if (!(raw instanceof Socket)) return void raw.destroy();
    const span = startServerSpan('holdfast.upgrade', request.headers);
    this.#admit(request).then(
      (admitted) => {
        const refusal = 'error' in admitted ? admitted : this.#refusal(admitted.principal);
        const result = refusal === strangeOrigin ? 'origin' : (refusal?.error ?? 'accepted');
        this.#room.meters.upgrades.add(result);
        if (span !== null) endSpan(span, refusal?.error);
        if (refusal !== null) refuseUpgrade(raw, refusal);
        else if (!('error' in admitted)) this.#accept(request, { raw, head }, admitted);
      },
      (error: unknown) => {
        this.#room.report('an upgrade failed', error);
        this.#room.meters.upgrades.add('unchecked');
        if (span !== null) endSpan(span, 'unchecked');
        refuseUpgrade(raw, { error: 'unauthorized', detail: 'The token could not be checked.' });
      },
    );
  }

  /** Ends the channels of a store everywhere (stores.md §1.1.3). */
  shutStore(storeId: string): void {
    for (const connection of this.#open) connection.shut(storeId);
  }

  /** Looks at all tokens from now on instead of at the next sweep. */
  recheckSoon(): void {
    this.#rechecks.soon();
  }

  /** Takes nothing more from any socket; what was taken is still answered. */
  stopReading(): void {
    this.#draining = true;
    for (const connection of this.#open) connection.stopReading();
  }

  /**
   * Tells every client when to come back and closes (stores.md §19.3), as soon as it has its answers. No upgrade is answered any
   * more. Resolves when every socket is gone; those that linger, or take their answers too slowly, are cut after a grace.
   */
  async drain(retryAfterMs: number): Promise<void> {
    const { clock, fanouts } = this.#room;
    const end = (connection: Connection): void => this.#sendAway(connection, retryAfterMs);
    for (const connection of this.#open) connection.whenAnswered(() => end(connection));
    const late = clock.setTimeout(() => this.#open.forEach(end), ANSWERS_GRACE_MS);
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#emptied = resolve));
    clock.clearTimeout(late);
    clock.clearTimeout(this.#timer);
    fanouts.close(this.#room);
    this.#server.close();
  }

  #sendAway(connection: Connection, retryAfterMs: number): void {
    const payload = { retry_after_ms: Math.round(retryAfterMs * (0.5 + Math.random())) };
    connection.send({
      joinRef: null,
      ref: null,
      topic: 'phoenix',
      event: 'retry_after',
      payload,
    });
    connection.close(1001, 'shutdown');
  }

  async #admit(
    request: IncomingMessage,
  ): Promise<{ handshake: Handshake; principal: Principal } | HandshakeRefusal> {
    if (this.#draining) return shuttingDown;
    if (!isMount(request)) {
      return { error: 'invalid_params', detail: 'There is no socket at this path.' };
    }
    if (!this.#originAllowed(request)) {
      return strangeOrigin;
    }
    const handshake = readHandshake(request, codecs);
    if ('error' in handshake) return handshake;
    const principal = await this.#room.access.authenticate(handshake.credentials);
    if (principal === null) return { error: 'unauthorized', detail: 'The token is not accepted.' };
    return { handshake, principal };
  }

  /** Judged in the turn that accepts: the server may have begun to drain, or others got in, while the token was checked. */
  #refusal(principal: Principal): HandshakeRefusal | null {
    if (this.#draining) return shuttingDown;
    const sockets = this.#owned.get(ownerOf(principal)) ?? 0;
    if (sockets < this.#room.limits.max_sockets_per_token) return null;
    return { error: 'too_many_connections', detail: 'This token has too many connections.' };
  }

  #accept(
    request: IncomingMessage,
    { raw, head }: { readonly raw: Socket; readonly head: Buffer },
    opening: { readonly handshake: Handshake; readonly principal: Principal },
  ): void {
    this.#server.handleUpgrade(request, raw, head, (socket) => {
      const { handshake, principal } = opening;
      // All get the same bytes: to whom they would be too much at a time, nothing is sent compressed.
      const isNarrow = request.headers['sec-websocket-extensions']?.includes(NARROW) ?? false;
      const isDeflated = socket.extensions !== '' && !isNarrow;
      const codec = isDeflated ? deflatedOf(handshake.codec) : handshake.codec;
      const parts = { socket, raw };
      const settled = { principal, handshake: { ...handshake, codec } };
      const connection = new Connection(this.#room, parts, settled);
      const owner = ownerOf(opening.principal);
      this.#open.add(connection);
      this.#count(owner, 1);
      socket.on('close', () => {
        this.#open.delete(connection);
        this.#rechecks.forget(connection);
        this.#count(owner, -1);
        if (this.#open.size > 0) return;
        // An iterator keeps what a set held when it was last asked, and all that the set has held since.
        this.#nextAsked = this.#open.values();
        this.#emptied();
      });
    });
  }

  #count(owner: string, change: 1 | -1): void {
    const count = (this.#owned.get(owner) ?? 0) + change;
    if (count > 0) this.#owned.set(owner, count);
    else this.#owned.delete(owner);
  }

  #arm(): void {
    this.#timer = this.#room.clock.setTimeout(() => {
      this.#sweep();
      this.#arm();
    }, SWEEP_MS);
  }

  #sweep(): void {
    const now = this.#room.clock.now();
    this.#room.snapshots.sweep(now);
    this.#sweeps += 1;
    let behind = 0;
    for (const connection of this.#open) {
      connection.sweep(now);
      behind += connection.standing().behind;
    }
    this.#rechecks.judge();
    if (this.#sweeps % RECHECK_SWEEPS === 0) this.#rechecks.inTurn();
    this.#room.meters.lag.sample(now, behind);
    this.#wonder();
  }

  /** Asks some clients how far they are, others each time: what that costs does not grow with how many there are. */
  #wonder(): void {
    let asked = 0;
    for (let left = this.#open.size; left > 0 && asked < ASKS_MAX; left -= 1) {
      let next = this.#nextAsked.next();
      if (next.done === true) {
        this.#nextAsked = this.#open.values();
        next = this.#nextAsked.next();
      }
      if (next.done === true) return;
      asked += next.value.wonder();
    }
  }
}
