import { type Outlet, Plug } from './plug.ts';
import type { Room } from './room.ts';

type Way = 'up' | 'down';

/** What a cable tells of itself. */
type CableEvents = {
  /** Nothing more comes of it. */
  readonly gone: () => void;
  /** The client is about to hear what the server sent at a time. */
  readonly heard: (sentAt: number) => void;
};

/** How many bytes may be on their way at a time, each way, before who sends more has to wait. */
export const windowBytes: number = 32 * 1024;
const pieceBytes = 16 * 1024;

/** One direction: bytes in flight, in order. */
class Lane {
  busyUntil = 0;
  inFlight = 0;
  waiting: (() => void)[] = [];
}

/**
 * A TCP connection between a client and a server, made of two sockets of Node.js and whatever lies between them: each way
 * keeps its order whatever the delays; what is on its way when it breaks is lost, or arrives late; an end may hear late
 * that it broke, or never.
 */
export class Cable {
  readonly client: Plug;
  readonly server: Plug;
  readonly #room: Room;
  readonly #lanes = { up: new Lane(), down: new Lane() };
  readonly #events: CableEvents;
  readonly #windowBytes: number;
  #state: 'open' | 'mute' | 'over' = 'open';
  #breaksAmid = false;
  /** Milliseconds that each kilobyte takes on its way to the client. */
  slowness = 0;

  constructor(room: Room, events: CableEvents, window: number = windowBytes) {
    this.#room = room;
    this.#events = events;
    this.#windowBytes = window;
    this.client = new Plug(this.#outlet('up'));
    this.server = new Plug(this.#outlet('down'));
    for (const end of [this.client, this.server]) end.on('error', () => undefined);
  }

  /** Nothing passes any more, and nobody is told. */
  mute(): void {
    if (this.#state === 'open') this.#state = 'mute';
  }

  /** Nothing arrives at one end for a while. */
  hold(way: Way, ms: number): void {
    const lane = this.#lanes[way];
    lane.busyUntil = Math.max(lane.busyUntil, this.#room.agenda.now) + ms;
  }

  /** Breaks in the middle of what the server says next. */
  cutAmid(): void {
    this.#breaksAmid = true;
  }

  /** It breaks, and both ends hear of it some time; what the client has sent may arrive before that. */
  cut(): void {
    if (this.#state === 'over') return;
    const { agenda, dice } = this.#room;
    const isMute = this.#state === 'mute';
    this.#state = 'over';
    const last = this.#lanes.up.busyUntil;
    const arrives = !isMute && dice.chance(0.5);
    agenda.later(this.#room.delay(200), () => this.client.destroy());
    agenda.at(Math.max(arrives ? last : 0, agenda.now + this.#room.delay(200)), () =>
      this.server.destroy(),
    );
    if (!arrives) this.#lanes.up.busyUntil = Infinity;
    this.#events.gone();
  }

  /** Nobody is at the other end. */
  refuse(): void {
    this.#state = 'over';
    this.client.destroy(new Error('connection refused'));
    this.#events.gone();
  }

  #outlet(way: Way): Outlet {
    return {
      sent: (bytes, done) => this.#send(way, bytes, done),
      ended: () => this.#later(way, 0, () => this.#other(way).receive(null)),
      destroyed: () => {
        if (this.#state !== 'open') return;
        // What was sent before still arrives.
        this.#later(way, 0, () => this.cut());
      },
    };
  }

  #other(way: Way): Plug {
    return way === 'up' ? this.server : this.client;
  }

  #send(way: Way, bytes: Buffer, done: () => void): void {
    if (this.#state !== 'open') {
      done();
      return;
    }
    const lane = this.#lanes[way];
    const sentAt = this.#room.agenda.now;
    this.#room.agenda.trace.add(bytes.length);
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      const piece = bytes.subarray(at, at + pieceBytes);
      lane.inFlight += piece.length;
      this.#later(way, piece.length, () => this.#arrive(way, piece, sentAt));
    }
    if (lane.inFlight <= this.#windowBytes) done();
    else lane.waiting.push(done);
  }

  #later(way: Way, bytes: number, run: () => void): void {
    const lane = this.#lanes[way];
    const { agenda } = this.#room;
    const pace = way === 'down' ? (this.slowness * bytes) / 1024 : 0;
    lane.busyUntil = Math.max(lane.busyUntil + pace, agenda.now + this.#room.delay(40));
    agenda.at(lane.busyUntil, run);
  }

  #arrive(way: Way, piece: Buffer, sentAt: number): void {
    const lane = this.#lanes[way];
    lane.inFlight -= piece.length;
    if (lane.inFlight <= this.#windowBytes) for (const done of lane.waiting.splice(0)) done();
    const isLate = this.#state === 'over' && way === 'up' && lane.busyUntil < Infinity;
    if (this.#state !== 'open' && !isLate) return;
    if (way === 'down') this.#events.heard(sentAt);
    if (way === 'down' && this.#breaksAmid && piece.length > 1) {
      this.client.receive(piece.subarray(0, piece.length >> 1));
      this.cut();
      return;
    }
    this.#other(way).receive(piece);
  }
}
