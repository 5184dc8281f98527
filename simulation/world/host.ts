import type { Codec, JoinRequest, Seq } from '@holdfast/protocol';
import { type ChannelPlan, type Snapshot, snapshotOf } from './channel.ts';
import { Life, type LifeOf } from './life.ts';
import type { Room } from './room.ts';
import { type Caller, Socket, type SocketOwner } from './socket.ts';
import type { Wire } from './wire.ts';

const channelsPerSocketMax = 1000;

/** One process of a server, from its start to its crash. */
class ServerProcess implements SocketOwner {
  readonly life: Life;
  readonly #room: Room;
  readonly #sockets = new Map<Socket, number>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #hint: (head: Seq) => void;
  #count = 0;

  constructor(
    name: string,
    of: LifeOf,
    { hint, crash }: { hint: (head: Seq) => void; crash: () => void },
  ) {
    this.#room = of.room;
    this.#hint = hint;
    this.life = new Life(name, of, {
      committed: (ops) => {
        for (const socket of this.#sockets.keys()) {
          for (const channel of socket.channels()) channel.committed(ops);
        }
        this.#hint(this.life.head);
      },
      died: crash,
    });
  }

  accept(wire: Wire, codec: Codec, by: Caller): void {
    this.#count += 1;
    const number = this.#count;
    this.#sockets.set(new Socket(this.#room, this, { wire, codec, ...by }), number);
  }

  gone(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  channelNumber(socket: Socket, id: number): number {
    return (this.#sockets.get(socket) ?? 0) * channelsPerSocketMax + id;
  }

  plan({ lastSeq, patterns, snapshot }: JoinRequest): ChannelPlan {
    const cut = this.life.head;
    const isSilent = patterns?.length === 0;
    if (isSilent) return { cut, from: cut, snapshot: null, isSilent };
    const resumed = snapshot === null ? undefined : this.#snapshots.get(snapshot.id);
    if (snapshot !== null && resumed !== undefined) {
      const going = { source: resumed, next: snapshot.next };
      return { cut: resumed.seq, from: 0, snapshot: going, isSilent };
    }
    const isFresh = lastSeq === 0 && cut > 0;
    if (!isFresh && lastSeq <= cut && !this.#room.happens('snapshot')) {
      // Nothing forbids to begin before the client's cursor: it drops what it has (C9).
      const { dice } = this.#room;
      const from = dice.chance(0.3) ? Math.max(0, lastSeq - dice.below(5)) : lastSeq;
      return { cut, from, snapshot: null, isSilent };
    }
    const source = snapshotOf(`${this.life.name} ${this.#snapshots.size}`, this.life.view());
    this.#snapshots.set(source.id, source);
    return { cut: source.seq, from: 0, snapshot: { source, next: 0 }, isSilent };
  }

  /** Kills it: every wire breaks, nothing is finished. */
  end(): void {
    this.life.end();
    for (const socket of this.#sockets.keys()) socket.close();
  }
}

/** A place where server processes run, one after the other. */
export class Host {
  readonly #name: string;
  readonly #of: LifeOf;
  readonly #hint: (head: Seq) => void;
  #process: ServerProcess | null;
  #lives = 1;
  #wallOffset = 0;

  constructor(name: string, of: LifeOf, hint: (from: Host, head: Seq) => void) {
    this.#name = name;
    this.#of = of;
    this.#hint = (head) => hint(this, head);
    this.#process = this.#start();
  }

  /** What runs there now; null while it restarts. */
  get process(): ServerProcess | null {
    return this.#process;
  }

  /** Somebody sets its wall clock. */
  jump(ms: number): void {
    this.#wallOffset += ms;
    this.#process?.life.jump(ms);
  }

  /** How often its processes have ended. */
  get crashes(): number {
    return this.#lives - 1;
  }

  crash(): void {
    if (this.#process === null) return;
    this.#of.room.note(this.#name, 'crashes');
    this.#process.end();
    this.#process = null;
    this.#of.room.agenda.later(50 + this.#of.room.delay(500), () => {
      this.#lives += 1;
      this.#process = this.#start();
    });
  }

  #start(): ServerProcess {
    const process = new ServerProcess(`${this.#name}.${this.#lives}`, this.#of, {
      hint: this.#hint,
      crash: () => this.crash(),
    });
    process.life.jump(this.#wallOffset);
    return process;
  }
}
