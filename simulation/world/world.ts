import { Scope } from '@holdfast/engine/data';
import type { LoggedOp } from '@holdfast/engine/authority';
import {
  fingerprint,
  jsonCodec,
  type Json,
  type OpId,
  type Path,
  patternsOf,
  type Request,
  type Seq,
} from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { Dice } from '../src/dice.ts';
import { Belief } from '../validators/belief.ts';
import type { Problem } from '../validators/history.ts';
import { judge } from '../validators/judge.ts';
import { exclusive } from '../validators/leases.ts';
import { type Traffic, trafficOf } from '../validators/traffic.ts';
import { Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { Agenda } from '../src/agenda.ts';
import { Device } from './device.ts';
import { Host } from './host.ts';
import { Log } from './log.ts';
import type { Mutant } from './mutants.ts';
import type { Hardship, Room, Weather } from './room.ts';
import {
  type Action,
  actionText,
  isLeasing,
  leasing,
  type Pretence,
  type Scene,
} from './script.ts';

/** What happened in a world. */
export type Outcome = {
  readonly problems: readonly Problem[];
  readonly traffic: Traffic;
  readonly transcript: readonly string[];
};

const noteLinesMax = 2000;
const patienceMs = 600_000;
const spoiledPatienceMs = 20_000;
const restStepMs = 1000;

/** One run: devices, hosts, the wires between them and the log behind them; a seed and a script tell all of it. */
export class World {
  readonly #agenda = new Agenda();
  readonly #dice: Dice;
  readonly #weather: Weather & Hardship;
  readonly #log: Log;
  readonly #hosts: readonly Host[];
  readonly #devices: readonly Device[];
  readonly #problems: Problem[] = [];
  readonly #transcript: string[] = [];
  readonly #room: Room;
  readonly #mutant: Mutant | null;
  #isCalm = false;
  #strangers = 0;
  #hasJumped = false;
  /** How often more it is spoiled: a world that is spoiled for good comes to no end. */
  #spoils = 5;

  constructor(seed: number, scene: Scene, mutant: Mutant | null = null) {
    this.#dice = new Dice(seed ^ 0x0dd5);
    this.#weather = weatherOf(this.#dice);
    this.#mutant = mutant;
    this.#room = this.#makeRoom();
    this.#log = new Log(this.#room);
    const { devices, hosts, shared, asks } = scene;
    const of = { room: this.#room, log: this.#log, shared, asks };
    this.#hosts = Array.from(
      { length: hosts },
      (_, index) => new Host(`host-${index}`, of, (from, head) => this.#hint(from, head)),
    );
    this.#devices = Array.from({ length: devices }, (_, index) => this.#makeDevice(index));
  }

  run(script: readonly Action[]): Outcome {
    for (const action of script) this.#agenda.later(action.at, () => this.#act(action));
    this.#agenda.advance((script.at(-1)?.at ?? 0) + 100);
    this.#rest();
    if (this.#mutant === 'the log loses an op in the end') this.#log.lose();
    const truth = new Truth(this.#log.ops.map(unlikeOwn));
    const histories = this.#devices.flatMap((device) => device.histories());
    this.#compare(truth);
    this.#problems.push(...judge(histories, truth), ...exclusive(truth, this.#clock()));
    this.#findKept(truth);
    return {
      problems: this.#problems,
      traffic: trafficOf(histories, truth),
      transcript: this.#transcript,
    };
  }

  #makeRoom(): Room {
    const agenda = this.#agenda;
    const dice = this.#dice;
    return {
      agenda,
      dice,
      happens: (misfortune) => !this.#isCalm && dice.chance(this.#weather[misfortune]),
      strikes: (hardship) => !this.#isCalm && dice.chance(this.#weather[hardship]),
      isSpoiled: (mutant) => this.#isSpoiled(mutant),
      delay: (ms) => dice.next() * ms,
      note: (who, text) => this.#note(who, text),
      problem: (word, text) => {
        this.#problems.push({ word, text: `at ${agenda.now.toFixed(0)} ms: ${text}` });
      },
    };
  }

  #isSpoiled(mutant: Mutant): boolean {
    if (mutant !== this.#mutant || this.#spoils === 0 || !this.#dice.chance(0.3)) return false;
    this.#spoils -= 1;
    return true;
  }

  #makeDevice(index: number): Device {
    const codec = index % 2 === 0 ? jsonCodec : messagePackCodec();
    const name = `dev-${index}`;
    const isOf = (opId: OpId) => (op: LoggedOp) =>
      op.clientOpId === opId && op.deviceId === name && op.principal !== stranger;
    return new Device(name, this.#room, {
      codec,
      seqOf: (opId) => this.#log.ops.findLast(isOf(opId))?.seq ?? null,
      dial: (wire, spoken, by) => {
        const { process } = this.#dice.pick(this.#hosts);
        process?.accept(wire, spoken, by);
        return process !== null;
      },
    });
  }

  #note(who: string, text: string): void {
    if (this.#transcript.length >= noteLinesMax) return;
    this.#transcript.push(`${this.#agenda.now.toFixed(0).padStart(7)} ${who}: ${text}`);
  }

  /** The bus: late, and not always. */
  #hint(from: Host | null, head: number): void {
    for (const host of this.#hosts) {
      if (host === from || this.#room.happens('deaf')) continue;
      this.#agenda.later(this.#room.delay(60), () => host.process?.life.grew(head));
    }
  }

  #act(action: Action): void {
    this.#note('world', actionText(action));
    if (action.does === 'pretend') this.#pretend(action);
    else if ('host' in action) this.#actOnHost(action);
    else {
      const device = this.#devices[action.who];
      if (device !== undefined) this.#actOn(device, action);
    }
  }

  /** Somebody else names a device, and an id of it. */
  #pretend({ host, who, ahead, isBlind, request }: Pretence): void {
    const life = this.#hosts[host]?.process?.life;
    const device = this.#devices[who];
    if (life === undefined || device === undefined) return;
    const channel = --this.#strangers;
    life.submit(
      {
        channel,
        blocks: false,
        unblock: false,
        dialect: 4,
        deviceId: device.name,
        opId: device.ids.near(ahead),
        fingerprint: fingerprint(request),
        principal: stranger,
        request,
        rate: null,
        ...(isBlind && { grants: blind }),
      },
      () => life.left(channel),
    );
  }

  #actOnHost(action: Exclude<Extract<Action, { readonly host: number }>, Pretence>): void {
    const host = this.#hosts[action.host];
    if (action.does === 'crash') {
      host?.crash();
      return;
    }
    this.#hasJumped = true;
    host?.jump(action.ms);
  }

  #actOn(
    device: Device,
    action: Exclude<Extract<Action, { readonly who: number }>, Pretence>,
  ): void {
    if (action.does === 'ask') {
      device.ask(action.isGuarded ? guarded(action.request, device) : action.request);
    } else if (isLeasing(action)) {
      device.ask(leasing(action.does, device.outcomes.token, action.ms));
    } else if (action.does === 'bar') {
      device.ids.bar(this.#agenda.now + action.ms);
      // A server lets go of those whose rights have changed, then and when they have them again.
      for (const ms of [0, action.ms]) this.#agenda.later(ms, () => device.cut());
    } else if ('ms' in action) {
      device[action.does](action.ms);
    } else if (action.does === 'network') {
      device.network(action.hint);
    } else if (action.does === 'become') {
      device.ids.become();
    } else if (action.does === 'forget') {
      device.kill({ keepsCache: false });
    } else {
      device[action.does]();
    }
  }

  /** The weather clears; everything is decided, and known everywhere. */
  #rest(): void {
    this.#isCalm = true;
    for (const device of this.#devices) {
      device.slow(0);
      device.network('online');
      // What was lost shows only with what comes after it, or with the next join.
      device.cut();
    }
    const patience = this.#mutant === null ? patienceMs : spoiledPatienceMs;
    for (let waited = 0; waited < patience; waited += restStepMs) {
      this.#agenda.advance(restStepMs);
      if (this.#isAtRest()) break;
      this.#hint(null, this.#log.head);
    }
    if (!this.#isAtRest()) {
      const where = this.#devices.map(({ name, status }) => `${name} ${JSON.stringify(status)}`);
      this.#room.problem('converged', `no rest, head ${this.#log.head}: ${where.join(', ')}`);
    }
    this.#agenda.advance(restStepMs);
  }

  /** When ops were stored; null where a host may have started with another wall clock than the one before. */
  #clock(): ((seq: Seq) => number) | null {
    const haveCrashed = this.#hosts.some(({ crashes }) => crashes > 0);
    // Two nodes with clocks of their own do not agree when a lease ends.
    if (this.#hasJumped && (haveCrashed || this.#hosts.length > 1)) return null;
    return (seq) => this.#log.times[seq - 1] ?? 0;
  }

  /** What a cache has kept through the end of a process is committed some time. */
  #findKept(truth: Truth): void {
    for (const { name, vault, outcomes } of this.#devices) {
      for (const opId of vault.kept) {
        // Refused is refused to somebody's face.
        if (truth.of(opId).length > 0 || outcomes.isOver(opId)) continue;
        this.#room.problem('kept', `${name} had ${opId} in its cache, and it is nowhere`);
      }
    }
  }

  #isAtRest(): boolean {
    return this.#devices.every(({ status }) => status.synced && status.seq === this.#log.head);
  }

  /** Every replica, and the stored entries, are what the log says, revisions and all; subscribers know as much. */
  #compare(truth: Truth): void {
    const tree = truth.stateAt(truth.head);
    const entries = [...tree.entries()];
    const view: readonly (readonly [Path, Json])[] = entries.map(({ path, value }) => [
      path,
      value,
    ]);
    const wanted = JSON.stringify([view, entries, tree.maps()]);
    const stored = this.#log.load();
    const found = JSON.stringify([view, [...stored.entries()], stored.maps()]);
    if (found !== wanted) {
      this.#room.problem('converged', `the entries are ${found} instead of ${wanted}`);
    }
    for (const device of this.#devices) {
      const shown = device.shown();
      if (shown !== wanted) {
        this.#room.problem('converged', `${device.name} shows ${shown} instead of ${wanted}`);
      }
      const belief = new Belief();
      for (const event of device.believed) belief.hear(event);
      const wrong = firstDifference(belief.leaves(), view);
      if (wrong !== null) this.#room.problem('reliable', `${device.name} told ${wrong}`);
    }
  }
}

const stranger = 'a stranger';
/** Who may write everything and read nothing. */
const blind = { read: new Scope([]), write: new Scope(patternsOf(['**'])) };

/** An op of a stranger, told apart from that of the device whose id it has. */
function unlikeOwn(op: LoggedOp): LoggedOp {
  return op.principal === stranger ? { ...op, clientOpId: `${op.clientOpId}#${stranger}` } : op;
}

function weatherOf(dice: Dice): Weather & Hardship {
  const some = (most: number): number => (dice.chance(0.5) ? 0 : dice.next() * most);
  return {
    failed: some(0.1),
    unknown: some(0.15),
    limited: some(0.15),
    lost: some(0.05),
    snapshot: some(0.4),
    deaf: some(0.5),
    doubled: some(0.1),
    died: some(0.003),
  };
}

function guarded(request: Request, device: Device): Request {
  if (request.op !== 'set' && request.op !== 'delete') return request;
  const revision = device.revision(request.path);
  if (revision === undefined || 'ifAbsent' in request) return request;
  return { ...request, ifMatch: revision };
}
