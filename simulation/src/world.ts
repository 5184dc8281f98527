import type { Client } from '@holdfast/client';
import type { LoggedOp, Storage } from '@holdfast/server/storage';
import type { Blobs } from '@holdfast/server/blobs';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import type { Server, ServerOptions } from '@holdfast/server';
import { preload } from '@holdfast/client/preload';
import { asStoreName } from '@holdfast/protocol';
import { Agenda } from './agenda.ts';
import { drawFrom } from './chance.ts';
import { type CrashOptions, Device, type DeviceOptions } from './device.ts';
import { Dice } from './dice.ts';
import type { DiskFaults } from './disk.ts';
import { strike, type TimedFault } from './faults.ts';
import { type Ground, type GroundKind, groundOf } from './ground.ts';
import { over } from './over.ts';
import { RealWork } from './real.ts';
import { type Room, wallStart } from './room.ts';
import { whoIsLate } from './late.ts';
import { type Pace, Site } from './site.ts';
import { watchUncaught } from './uncaught.ts';

/** How a world is made. */
export type WorldOptions = Pace & {
  readonly seed: number;
  readonly faults: readonly TimedFault[];
  /** The stores that there are. */
  readonly stores: readonly string[];
  readonly server?: Partial<ServerOptions>;
  /** Readies each server that starts. */
  readonly prepare?: (server: Server) => void;
  /** What its servers store on; default: memory. */
  readonly storage?: GroundKind;
  /** How long each token lasts; default: for ever. */
  readonly tokenMs?: number;
  /** Virtual milliseconds after which a program that has not ended is stuck. */
  readonly patienceMs?: number;
};

/** An op, and when it was stored, by a clock that nobody sets. */
export type Logged = { readonly op: LoggedOp; readonly at: number };

const transcriptLines = 2000;
const patienceMs = 3_600_000;
/** What libraries wait for at one time are a few; a program that waits for what takes virtual time so, waits for ever. */
const ringsMax = 1000;
const restMs = 600_000;
/** A client that is closed lets a process end within this time (stores.md S78). */
const closeMs = 100;
const noFaults: DiskFaults = { failed: 0, unknown: 0 };

/** A server and clients, all real, in one process, on a network, disks and clocks that a seed decides about. */
export class World {
  readonly seed: number;
  /** Chance of the program's own; it repeats under the seed. */
  readonly dice: Dice;
  readonly site: Site;
  /** What the contents of files are kept in; it knows no faults. */
  readonly blobs: Blobs = memoryBlobs({ now: () => this.site.wall() });
  readonly transcript: string[] = [];
  readonly problems: string[] = [];
  /** What the disk does wrong now. */
  disk: DiskFaults = noFaults;
  readonly #agenda = new Agenda();
  readonly #work = new RealWork();
  /** Of whoever in this process draws by itself. */
  readonly #chance: Dice;
  readonly #room: Room;
  readonly #ground: Ground;
  readonly #devices = new Map<string, Device>();
  readonly #options: WorldOptions;
  readonly #logs = new Map<string, Logged[]>();
  /** Of stores that are no more, by their incarnations. */
  readonly #bygone = new Map<string, readonly Logged[]>();
  #wall = (): number => wallStart;
  #isCalm = false;
  #recreated = 0;
  /** How often old history was forgotten. */
  compactions = 0;
  #compactsAmid = false;

  constructor(options: WorldOptions) {
    const dice = new Dice(options.seed);
    this.#chance = new Dice(~options.seed);
    this.seed = options.seed;
    this.#options = options;
    this.dice = dice.fork();
    this.#room = this.#makeRoom(dice.fork());
    const clocks = { now: () => this.#wall(), monotonic: () => this.now };
    const ground = groundOf(options, this.#work, clocks);
    this.#ground = ground;
    const undraw = drawFrom(this.#chance);
    try {
      this.site = new Site(this.#room, {
        storage: () => this.#recorded(ground.storage),
        restart: () => this.#restart(),
        told: () => ground.told(),
        blobs: this.blobs,
        faults: () => (this.#isCalm ? noFaults : this.disk),
        reads: () => this.#reads(),
        options: options.server ?? {},
        pace: options,
        prepare: (server) => options.prepare?.(server),
        orgs: options.stores.map((name) => name.slice(0, name.indexOf('/'))),
      });
    } finally {
      undraw();
    }
    this.#wall = this.site.wall;
    for (const fault of options.faults) {
      this.#agenda.at(fault.at, () => {
        if (this.#isCalm) return;
        this.note('world', JSON.stringify(fault));
        strike(this, fault);
      });
    }
  }

  /** What the server's storage is based on; it knows no faults. */
  get storage(): Storage {
    return this.#ground.storage;
  }

  /** What virtual time waits for, besides all that is simulated. */
  get work(): RealWork {
    return this.#work;
  }

  /** What has happened so far, in a few letters: the same under the same seed. */
  get trace(): string {
    return this.#agenda.trace.text;
  }

  /** Virtual milliseconds since the world began. */
  get now(): number {
    return this.#agenda.now;
  }

  get devices(): readonly Device[] {
    return [...this.#devices.values()];
  }

  /** The client of a device of this name, which is made when it is first asked for. */
  client(name: string, options: DeviceOptions = {}): Client {
    return this.device(name, options).client;
  }

  device(name: string, options: DeviceOptions = {}): Device {
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = new Device(name, this.#room, { site: this.site, options });
      this.#devices.set(name, device);
    }
    return device;
  }

  /** Ends a client amid whatever it does; another takes its place, with what its cache has, or without. */
  crash(name: string, how: CrashOptions = {}): Client {
    return this.device(name).crash(how);
  }

  /** Forgets old history, of every store, up to a place that the seed decides. */
  compact(): void {
    this.compactions += 1;
    for (const name of this.#options.stores) void this.#compact(name);
  }

  /** The same as soon as somebody has begun to read of it. */
  compactAmid(): void {
    this.#compactsAmid = true;
  }

  /** A store is deleted, while the server is down, and another made under its name: all that was in it is gone. */
  recreate(name: string, downMs: number): void {
    this.note('world', `${name} is made anew`);
    this.site.crash(downMs);
    this.#recreated += 1;
    void this.#recreate(name, `anew-${this.#recreated}`);
  }

  /** Runs something when so much time has passed. */
  later(ms: number, run: () => void): void {
    this.#agenda.later(ms, run);
  }

  /** Everything that was ever committed to a store, what has been compacted included, and when it was stored. */
  async log(store: string): Promise<readonly Logged[]> {
    const row = await this.storage.stores.find(asStoreName(store));
    return this.#logs.get(row?.id ?? '') ?? [];
  }

  /** The same of every incarnation that there was of a store, by its name. */
  async logs(store: string): Promise<ReadonlyMap<string, readonly Logged[]>> {
    const row = await this.storage.stores.find(asStoreName(store));
    return new Map([...this.#bygone, [row?.incarnation ?? '', await this.log(store)]]);
  }

  /** Lets virtual time pass. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#agenda.later(ms, resolve));
  }

  note(who: string, text: string): void {
    if (this.transcript.length >= transcriptLines) return;
    this.transcript.push(`${this.now.toFixed(0).padStart(7)} ${who}: ${text}`);
  }

  problem(text: string): void {
    this.problems.push(`at ${this.now.toFixed(0)} ms: ${text}`);
  }

  /** The weather clears: nothing more goes wrong, everybody can reach the server, and looks whether it is there. */
  calm(): void {
    this.#isCalm = true;
    for (const device of this.#devices.values()) {
      device.cutOff(false);
      device.slow(0);
      // Half-open connections too, so that nobody waits for the dead.
      device.cut();
    }
    this.#connect();
  }

  /** Resolves when every client has sent what it had to, and has everything that there is. */
  async rest(): Promise<void> {
    this.calm();
    const end = this.now + restMs;
    for (let late = await this.#late(); late !== null; late = await this.#late()) {
      if (this.now > end) throw new Error(`no rest: ${late}\n${await this.#describe()}`);
      this.#connect();
      await this.sleep(1000);
    }
  }

  /** Makes the stores, then runs a program to its end: virtual time passes while it waits. */
  async run<T>(program: () => Promise<T>): Promise<T> {
    // Modules come in real time, of which there is none in there.
    await preload();
    const unwatch = this.#work.watchTimers();
    const unwatchDeflate = this.#work.watchDeflate();
    const unwatchUncaught = watchUncaught((text) => this.problem(`uncaught: ${text}`));
    const undraw = drawFrom(this.#chance);
    const work = this.#prepare().then(program);
    const progress = { isDone: false };
    const finished = (): void => {
      progress.isDone = true;
    };
    work.then(finished, finished);
    const until = this.#options.patienceMs ?? patienceMs;
    // What is due at a time is done, with all that follows from it at once, before what is due later.
    try {
      for (await turn(); !progress.isDone; await turn()) {
        if (this.#work.rings > ringsMax) {
          throw new Error('a program waits by timers of the platform: wait by world.sleep');
        }
        if (this.#work.isGoing) continue;
        for (let left = this.#work.turns; left > 1; left--) await turn();
        if (this.#work.isGoing) continue;
        if (this.#agenda.now > until) {
          throw new Error(await this.#stuck(until));
        }
        this.#work.rings = 0;
        this.#agenda.step();
      }
    } finally {
      // What is not caught is told a turn later.
      await turn();
      unwatchUncaught();
      unwatch();
      unwatchDeflate();
      undraw();
    }
    return work;
  }

  /** Closes everything in order, and complains about what is left running. */
  async close(): Promise<void> {
    for (const device of this.#devices.values()) await device.client.close();
    // What was due at once may still ring.
    await this.sleep(closeMs);
    for (const device of this.#devices.values()) {
      if (device.timers > 0) this.problem(`${device.name} leaves ${device.timers} timers running`);
    }
    const timers = await this.site.close();
    if (timers > 0) this.problem(`the server leaves ${timers} timers running`);
  }

  /** Lets go of everything, in whatever state it is. */
  async end(): Promise<void> {
    for (const device of this.#devices.values()) device.end();
    this.site.end();
    await this.#ground.end();
    for (const device of this.#devices.values()) await device.discard();
  }

  /** Has everybody look whether the server is there. */
  #connect(): void {
    for (const { client } of this.#open) void client.connect();
  }

  /** The devices whose clients the program has not closed. */
  get #open(): readonly Device[] {
    return this.devices.filter(({ client }) => client.status.get().connection !== 'closed');
  }

  async #prepare(): Promise<void> {
    for (const name of this.#options.stores) await this.site.server?.stores.create(name);
  }

  async #recreate(name: string, id: string): Promise<void> {
    const { stores } = this.storage;
    const row = await stores.find(asStoreName(name));
    if (row !== null) {
      this.#bygone.set(row.incarnation, [...(this.#logs.get(row.id) ?? [])]);
      await stores.purge(row.id);
    }
    await stores.create({ id, name: asStoreName(name), incarnation: id, expiresAt: null });
  }

  async #reads(): Promise<void> {
    if (!this.#compactsAmid) return;
    this.#compactsAmid = false;
    this.compactions += 1;
    await Promise.all(this.#options.stores.map((name) => this.#compact(name)));
  }

  async #compact(name: string): Promise<void> {
    const row = await this.storage.stores.find(asStoreName(name));
    const head = row === null ? null : await this.storage.open(row.id);
    if (row === null || head === null) return;
    const through = this.#room.dice.below(head.head + 1);
    await this.storage.compact(row.id, Math.min(through, this.#known(name)), 1_000_000);
  }

  /** How far a server knows the log of a store: what it does not know yet, it does not forget. */
  #known(name: string): number {
    const all: readonly object[] = this.site.server?.describe().stores ?? [];
    const open = all.find((store) => 'name' in store && store.name === name);
    return open !== undefined && 'head' in open ? Number(open.head) : Infinity;
  }

  #late(): Promise<string | null> {
    return whoIsLate(this.#open, { stores: this.#options.stores, storage: this.storage });
  }

  async #stuck(ms: number): Promise<string> {
    const why = 'it waits for what does not come, or is not of its world, such as a timer';
    return `the program has not ended after ${ms} ms: ${why}\n${await this.#describe()}`;
  }

  async #describe(): Promise<string> {
    const logs = await Promise.all(this.#options.stores.map((name) => this.log(name)));
    return [
      this.site.server?.describe() ?? 'no server',
      ...this.devices.map(({ client }) => client.inspect()),
      ...logs.map((log) => log.slice(-3)),
    ]
      .map((each) => JSON.stringify(each))
      .join('\n');
  }

  /** What a server dies with was not known to anybody, and never was. */
  #restart(): void {
    this.#ground.restart(this.#room.dice);
    const { storage } = this.#ground;
    for (const [store, log] of this.#logs) {
      void storage.open(store).then((found) => log.splice(found?.head ?? 0));
    }
  }

  #recorded(storage: Storage): Storage {
    return over(storage, {
      append: async (store, expected, batch) => {
        const result = await storage.append(store, expected, batch);
        if (result.status === 'stored') {
          const log = this.#logs.get(store) ?? [];
          this.#logs.set(store, log);
          for (const op of batch.ops) log.push({ op, at: this.now });
        }
        return result;
      },
    });
  }

  #makeRoom(dice: Dice): Room {
    return {
      agenda: this.#agenda,
      dice,
      work: this.#work,
      tokenMs: () => (this.#isCalm ? Infinity : (this.#options.tokenMs ?? Infinity)),
      delay: (ms) => dice.next() * ms,
      note: (who, text) => this.note(who, text),
      problem: (text) => this.problem(text),
    };
  }
}

/** Everything that follows at once: callbacks, promises, what Node.js puts off to the end of a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
