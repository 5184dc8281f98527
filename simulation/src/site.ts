import type { Socket } from 'node:net';
import {
  type Authenticate,
  createServer,
  type Principal,
  scopes,
  type Server,
  type ServerOptions,
} from '@holdfast/server';
import type { Storage } from '@holdfast/server/storage';
import { Cable } from './cable.ts';
import type { Blobs } from '@holdfast/server/blobs';
import { BlobDisk } from './blob-disk.ts';
import { Disk, type DiskFaults } from './disk.ts';
import { type Room, wallStart } from './room.ts';
import { Timers } from './timers.ts';

/** What servers of a world are made of. */
export type SiteOptions = {
  /** What a server that starts now finds. */
  readonly storage: () => Storage;
  /** A server has died, and another is to start. */
  readonly restart: () => void;
  /** A server knows what it has stored. */
  readonly told: () => void;
  readonly blobs: Blobs;
  readonly faults: () => DiskFaults;
  /** A server has begun to read a part of the log. */
  readonly reads: () => Promise<void>;
  readonly options: Partial<ServerOptions>;
  readonly pace: Pace;
  /** Readies a server that starts. */
  readonly prepare: (server: Server) => void;
  /** Whose stores everybody may use. */
  readonly orgs: readonly string[];
};

type Admitted = Awaited<ReturnType<Authenticate>>;

/** How long it takes what servers do with files that nobody names. */
export type Pace = {
  /** How long an hour takes that servers wait by a timer, such as until they look for such files; default: an hour. */
  readonly hourMs?: number;
  /** How long it takes at most to delete one; default: 10. */
  readonly deleteMs?: number;
  /** How long it takes at most to note a store, a key or an act, or a part of a store that is cloned; default: no time. */
  readonly tablesMs?: number;
  /** Whether servers take the wall clock, which may be set, for the time that passes: a mistake; default: no. */
  readonly isFooled?: boolean;
  /** Whether a jump of the wall clock makes nothing old that is kept for a time until it has stood for a day; default: no. */
  readonly settles?: boolean;
};

const hourMs = 3_600_000;

/** Within so many milliseconds a server that is told to close is closed. */
const closeMsMax = 60_000;

/** A server process from its start to its crash. */
type Life = {
  readonly server: Server;
  readonly timers: Timers;
  readonly disk: Disk;
  readonly blobs: BlobDisk;
};

/** The place where real server processes run, one after the other, on one storage that outlives them. */
export class Site {
  readonly #room: Room;
  readonly #of: SiteOptions;
  readonly #cables = new Set<Cable>();
  readonly #revoked = new Set<string>();
  /** When tokens end, by the wall clock of the server's machine; those that are not named here never do. */
  readonly #ends = new Map<string, number>();
  #life: Life | null = null;
  /** The one that was told to close. */
  #closing: Life | null = null;
  /** The one that is closed: nobody comes to it from now on. */
  #closed: Life | null = null;
  #wallOffset = 0;
  #crashes = 0;
  /** When servers started whose wall clock had been set since the one before began. */
  readonly #startsAnew: number[] = [];
  #knownOffset = 0;

  constructor(room: Room, of: SiteOptions) {
    this.#room = room;
    this.#of = of;
    this.#life = this.#start();
  }

  /** The server that runs now; null while it restarts. */
  get server(): Server | null {
    return this.#life?.server ?? null;
  }

  /** When servers started whose wall clock had been set since the one before them began. */
  get startsAnew(): readonly number[] {
    return this.#startsAnew;
  }

  /** How often a server has ended, by itself or because it was told to. */
  get crashes(): number {
    return this.#crashes;
  }

  /** The wall clock of the server's machine. */
  readonly wall = (): number => wallStart + Math.floor(this.#room.agenda.now) + this.#wallOffset;

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }

  /** Nobody gets in with a token any more. */
  revoke(token: string): void {
    this.#revoked.add(token);
  }

  /** A token is given out that lasts so long. */
  issue(token: string, ms: number): void {
    this.#ends.set(token, this.wall() + ms);
  }

  /** Whether a token is good. */
  admits(token: string | null): boolean {
    if (token === null || token === '' || this.#revoked.has(token)) return false;
    return this.wall() < (this.#ends.get(token) ?? Infinity);
  }

  /** Takes a connection, or refuses it where nothing runs. */
  accept(cable: Cable): void {
    if (this.#life === null || this.#closed === this.#life) {
      cable.refuse();
      return;
    }
    this.#cables.add(cable);
    this.#life.server.serve(cable.server);
  }

  /** A connection of the server to somebody outside, who takes its other end. It breaks when the server dies. */
  dial(take: (socket: Socket) => void): Socket {
    const cable: Cable = new Cable(this.#room, {
      gone: () => this.gone(cable),
      heard: () => undefined,
    });
    this.#cables.add(cable);
    this.#room.agenda.later(this.#room.delay(60), () => take(cable.server));
    return cable.client;
  }

  gone(cable: Cable): void {
    this.#cables.delete(cable);
  }

  /** The process ends amid whatever it does, and another starts after a while. */
  crash(downMs: number): void {
    if (this.#life === null) return;
    this.#room.note('server', 'crashes');
    this.#crashes += 1;
    this.end();
    this.#startLater(downMs);
  }

  /** The operator has the server end in good order, and another start after a while; clients are told to come back at once. */
  shut(downMs: number): void {
    const life = this.#life;
    if (life === null || this.#closing === life) return;
    this.#closing = life;
    const since = this.#room.agenda.now;
    this.#room.note('server', 'is to close');
    this.#room.agenda.later(closeMsMax, () => {
      if (this.#life === life) this.#room.problem(`ended: a server is not closed since ${since}`);
    });
    void this.#shut(life, downMs);
  }

  /** The process ends amid whatever it does. */
  end(): void {
    this.#life?.timers.end();
    this.#life?.disk.end();
    this.#life?.blobs.end();
    this.#life = null;
    for (const cable of this.#cables) cable.cut();
  }

  /** Closes the server as its operator would; tells how many timers it has left behind. */
  async close(): Promise<number> {
    const life = this.#life;
    if (life === null) return 0;
    await life.server.close();
    this.#life = null;
    return life.timers.count;
  }

  async #shut(life: Life, downMs: number): Promise<void> {
    await life.server.close({ retryAfterMs: 0 });
    this.#closed = life;
    // What was cut off then hears of it.
    await new Promise<void>((resolve) => this.#room.agenda.later(100, resolve));
    // It may have crashed amid that.
    if (this.#life !== life) return;
    const { disk, blobs, timers } = life;
    if (disk.isAtWork) this.#room.problem('ended: a server that is closed still stores something');
    if (timers.count > 0) this.#room.problem(`the server leaves ${timers.count} timers running`);
    this.#room.note('server', 'is closed');
    this.#crashes += 1;
    for (const ended of [timers, disk, blobs]) ended.end();
    this.#life = null;
    // What was sent before still arrives.
    for (const cable of this.#cables) cable.server.destroy();
    this.#startLater(downMs);
  }

  #startLater(downMs: number): void {
    this.#room.agenda.later(downMs, () => {
      this.#of.restart();
      if (this.#wallOffset !== this.#knownOffset) this.#startsAnew.push(this.#room.agenda.now);
      this.#knownOffset = this.#wallOffset;
      this.#life = this.#start();
      this.#room.note('server', 'starts');
    });
  }

  #start(): Life {
    const { agenda } = this.#room;
    const timers = new Timers(agenda);
    const { storage, faults, told, reads } = this.#of;
    const disk = new Disk(storage(), this.#room, {
      faults,
      wall: this.wall,
      told,
      reads,
      tablesMs: this.#of.pace.tablesMs ?? 0,
    });
    const blobs = new BlobDisk(this.#of.blobs, this.#room, this.#of.pace.deleteMs);
    const server = createServer({
      storage: disk.storage,
      files: blobs,
      rates: false,
      clock: {
        now: () => (this.#of.pace.isFooled === true ? this.wall() : agenda.now),
        wall: this.wall,
        setTimeout: (run, ms) => timers.set(run, this.#waitOf(ms)),
        clearTimeout: timers.clear,
        setImmediate: (run) => void timers.set(run, 0),
      },
      log: {
        info: () => undefined,
        error: (details, message) => {
          if (!timers.isOver) this.#complained(details, message);
        },
      },
      ...this.#of.options,
      authenticate: (asked) => this.#authenticate(asked),
    });
    this.#of.prepare(server);
    return { server, timers, disk, blobs };
  }

  /** What is done by the hour comes as often as this world wants it. */
  #waitOf(ms: number): number {
    return ms < hourMs ? ms : (ms * (this.#of.pace.hourMs ?? hourMs)) / hourMs;
  }

  /** Whoever is let in goes with the token, where that ends. */
  async #authenticate(asked: Parameters<Authenticate>[0]): Promise<Admitted> {
    const { orgs, options } = this.#of;
    const own: Authenticate = async ({ token }) =>
      this.admits(token) ? principalOf(token, orgs) : null;
    const known = (await (options.authenticate ?? own)(asked)) ?? null;
    const end = this.#ends.get(asked.token ?? '');
    if (known === null || end === undefined) return known;
    return this.wall() < end ? { ...known, expiresAt: end } : null;
  }

  #complained(details: object, message: string): void {
    const error = 'err' in details ? details.err : details;
    const text = textOf(error);
    // What the disk was told to do wrong is no news, nor is what a view was told while it ended.
    const isCutOff = /^(command|onParams) /.test(message) && text === 'closed';
    const isWeather = /simulated|was not migrated: unavailable/.test(text);
    if (isCutOff || isWeather) this.#room.note('server', `${message}: ${text}`);
    else this.#room.problem(`the server says: ${message}: ${text}`);
  }
}

/** What an error says, and what it comes from. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} ${textOf(error.cause)}`;
}

/** Whoever has a token may do everything in every org of the world. */
function principalOf(token: string | null, orgs: readonly string[]): Principal {
  return {
    // Whoever is given another token is still the same.
    subject: token?.replace(/\.\d+$/, '') ?? null,
    orgs,
    scopes: new Set(scopes),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
  };
}
