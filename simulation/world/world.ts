import { jsonCodec, type Json, type Path, type Request } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { Dice } from '../src/dice.ts';
import { Belief } from '../validators/belief.ts';
import type { Problem } from '../validators/history.ts';
import { judge } from '../validators/judge.ts';
import { type Traffic, trafficOf } from '../validators/traffic.ts';
import { Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { Agenda } from '../src/agenda.ts';
import { Device } from './device.ts';
import { Host } from './host.ts';
import { Log } from './log.ts';
import type { Room, Weather } from './room.ts';
import { type Action, actionText, type Scene } from './script.ts';

/** What happened in a world. */
export type Outcome = {
  readonly problems: readonly Problem[];
  readonly traffic: Traffic;
  readonly transcript: readonly string[];
};

const noteLinesMax = 2000;
const patienceMs = 600_000;
const restStepMs = 1000;

/** One run: devices, hosts, the wires between them and the log behind them; a seed and a script tell all of it. */
export class World {
  readonly #agenda = new Agenda();
  readonly #dice: Dice;
  readonly #weather: Weather;
  readonly #log = new Log();
  readonly #hosts: readonly Host[];
  readonly #devices: readonly Device[];
  readonly #problems: Problem[] = [];
  readonly #transcript: string[] = [];
  readonly #room: Room;
  #isCalm = false;

  constructor(seed: number, scene: Scene) {
    this.#dice = new Dice(seed ^ 0x0dd5);
    this.#weather = weatherOf(this.#dice);
    this.#room = this.#makeRoom();
    const { devices, hosts, shared } = scene;
    const of = { room: this.#room, log: this.#log, shared };
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
    const truth = new Truth(this.#log.ops);
    const histories = this.#devices.flatMap((device) => device.histories());
    this.#compare(truth);
    this.#problems.push(...judge(histories, truth));
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
      delay: (ms) => dice.next() * ms,
      note: (who, text) => this.#note(who, text),
      problem: (word, text) => {
        this.#problems.push({ word, text: `at ${agenda.now.toFixed(0)} ms: ${text}` });
      },
    };
  }

  #makeDevice(index: number): Device {
    const codec = index % 2 === 0 ? jsonCodec : messagePackCodec();
    return new Device(`dev-${index}`, this.#room, {
      codec,
      dial: (wire, spoken, deviceId) => {
        const { process } = this.#dice.pick(this.#hosts);
        process?.accept(wire, spoken, deviceId);
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
    if (action.does === 'crash') this.#hosts[action.host]?.crash();
    else this.#actOn(action);
  }

  #actOn(action: Exclude<Action, { readonly does: 'crash' }>): void {
    const device = this.#devices[action.who];
    if (device === undefined) return;
    switch (action.does) {
      case 'ask':
        device.ask(action.isGuarded ? guarded(action.request, device) : action.request);
        return;
      case 'slow':
        device.slow(action.ms);
        return;
      case 'network':
        device.network(action.hint);
        return;
      case 'cut':
      case 'mute':
      case 'kill':
      case 'cancel':
      case 'bookmark':
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
    for (let waited = 0; waited < patienceMs; waited += restStepMs) {
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

function weatherOf(dice: Dice): Weather {
  const some = (most: number): number => (dice.chance(0.5) ? 0 : dice.next() * most);
  return {
    failed: some(0.1),
    unknown: some(0.15),
    limited: some(0.15),
    lost: some(0.05),
    snapshot: some(0.4),
    deaf: some(0.5),
  };
}

function guarded(request: Request, device: Device): Request {
  if (request.op !== 'set' && request.op !== 'delete') return request;
  const revision = device.revision(request.path);
  if (revision === undefined || 'ifAbsent' in request) return request;
  return { ...request, ifMatch: revision };
}
