import type { Client } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport } from '@holdfast/client/records/transport';
import { SseTransport } from '@holdfast/client/link/sse';
import { RejectedError } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { app } from '@holdfast/server';
import type { Device, DeviceOptions } from '../src/device.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import {
  bounded,
  converged,
  fresh,
  monotone,
  settled,
  type Sighting,
  type Told,
} from './checks.ts';
import { big, bigOf, flakyItem, Item, Newer, Stranger } from './item.ts';
import { RoughBus } from './rough.ts';
import {
  ids,
  itemsIn,
  itemsStored,
  lengthMs,
  type Step,
  stepsOf,
  store,
  writeOf,
} from './script.ts';

const url = 'http://simulated.example';

/** Ways in which these worlds can be spoiled, each with the word that the checkers then break. */
export const recordMutants = {
  'an older state is shown again': 'monotone',
  'whoever hears anything asks again': 'bounded',
  'a write is told of twice': 'settled',
  'a refused write is committed': 'settled',
  'what is asked for is what was': 'converged',
  'a row is left out': 'fresh',
} as const;

/** One of {@link recordMutants}. */
export type RecordMutant = keyof typeof recordMutants;

/** How a world of records is other than most. */
export type RecordTerms = {
  readonly mutant?: RecordMutant;
  /** Whether the store is made anew behind all that is written. */
  readonly endsAnew?: boolean;
};

type Watching = { readonly who: string; readonly seen: Sighting[] };

/** Clients whose records come in every way that there is, under the faults of everything, and of what carries them. */
export class RecordWorld {
  /** How much has gone on, so that it is known that something has. */
  shown = 0;
  asked = 0;
  commits = 0;
  readonly #mutant: RecordMutant | undefined;
  readonly #endsAnew: boolean;
  #bus: RoughBus | null = null;
  #watching: Watching[] = [];
  #told: (Told & { readonly outcomes: string[]; readonly life: Client })[] = [];
  #freshness: string[] = [];
  #flakes = 0;
  #writers: Device[] = [];
  readonly #handles = new Map<Device, readonly RecordHandle<typeof Item>[]>();

  constructor({ mutant, endsAnew = false }: RecordTerms = {}) {
    this.#mutant = mutant;
    this.#endsAnew = endsAnew;
  }

  readonly simulation: Simulation<Step> = {
    faults: { ...badWeather, crash: 4 },
    lengthMs,
    stores: [store],
    server: { app: app({ records: [Item] }) },
    script: {
      steps: (dice) => stepsOf(dice, this.#endsAnew),
      perform: (world, step) => this.#perform(world, step),
    },
    program: async (world) => {
      this.#begin(world);
      await world.sleep(lengthMs);
      world.calm();
      this.#calm();
    },
    check: (world) => this.#check(world),
  };

  #begin(world: World): void {
    this.#watching = [];
    this.#told = [];
    this.#freshness = [];
    this.#handles.clear();
    this.#flakes = 0;
    const bus = new RoughBus(world.dice.fork(), (ms, run) => world.later(ms, run));
    this.#bus = bus;
    const dice = world.dice.fork();
    const Flaky = flakyItem(() => {
      const throws = !bus.isCalm && dice.chance(0.02);
      if (throws) this.#flakes += 1;
      return throws;
    });
    this.#writers = [
      this.#device(world, 'channel', { records: records([Item]) }),
      this.#device(world, 'events', {
        records: records([Item], { delivery: bySse({ fetch: this.#fetchOf(world, 'events') }) }),
      }),
      this.#device(
        world,
        'bus',
        {
          records: records([Flaky], {
            delivery: byTransport({
              transport: bus.transport,
              refetch: (key, { signal }) => this.#refetch(world, key, signal),
            }),
          }),
        },
        Flaky,
      ),
    ];
    this.#device(world, 'newer', { records: records([Newer]) }, Newer as typeof Item);
    this.#device(
      world,
      'stranger',
      {
        records: records([Stranger], {
          delivery: bySse({ fetch: this.#fetchOf(world, 'stranger') }),
        }),
      },
      Stranger as typeof Item,
    );
    this.#attend(world);
  }

  #device(world: World, name: string, options: DeviceOptions, def: typeof Item = Item): Device {
    const device = world.device(name, {
      ...options,
      onRestart: (client) => this.#watch(device, client, def),
    });
    this.#watch(device, device.client, def);
    return device;
  }

  #watch(device: Device, client: Client, def: typeof Item): void {
    const handles = ids.map((id) => client.record(def, { id }));
    this.#handles.set(device, handles);
    for (const handle of handles) {
      const watching: Watching = {
        who: `${device.name}.${device.lives} of ${handle.key}`,
        seen: [],
      };
      this.#watching.push(watching);
      handle.state.subscribe(() => {
        const { incarnation, sequence } = handle.state.get();
        watching.seen.push({ incarnation, sequence });
        this.shown += 1;
        const isOld = this.#mutant === 'an older state is shown again' && sequence > 2;
        if (isOld) watching.seen.push({ incarnation, sequence: sequence - 1 });
      });
      handle.subscribe(() => {
        throw new Error('simulated: a listener throws');
      });
      // Whoever throws keeps nobody from hearing.
      handle.retain();
      if (this.#mutant === 'whoever hears anything asks again') {
        this.#requireBus().transport.subscribe(handle.key, () => handle.retry());
      }
    }
    if (def !== Item || device.name !== 'channel') return;
    const rows = client.collection(big);
    rows.subscribe(() => {
      const isSure = rows.state.get().ready && this.#handles.get(device) === handles;
      // What has only been asked for yet is told by the server, a moment after the commit.
      if (!isSure || !holdsAll(client)) return;
      const shown = this.#mutant === 'a row is left out' ? rows.get().slice(1) : rows.get();
      this.#freshness.push(...fresh(device.name, shown, bigOf(itemsIn(device.store(store)))));
    });
  }

  /** Publishes on the bus for as long as there is a server, each time that there is another. */
  #attend(world: World): void {
    let known: object | null = null;
    const look = (): void => {
      const { server } = world.site;
      if (server !== known && server !== null) server.publish(Item, this.#requireBus().far);
      known = server;
      if (world.now < lengthMs * 3) world.later(50, look);
    };
    look();
  }

  #requireBus(): RoughBus {
    if (this.#bus === null) throw new Error('the world has not begun');
    return this.#bus;
  }

  #fetchOf(world: World, name: string): (url: string, init: RequestInit) => Promise<Response> {
    return (at, init) => world.device(name).fetch(at, init);
  }

  /** What the server has, some time later; now and then nobody answers. */
  async #refetch(world: World, key: string, signal: AbortSignal): Promise<Envelope | null> {
    const asking = new SseTransport({
      url,
      token: () => world.device('bus').token,
      fetch: this.#fetchOf(world, 'bus'),
    });
    const request = { key, record: 'item', params: {}, client_version: '1.0' };
    const [answer] = await asking.handshake([request], { signal });
    const isBad = !this.#requireBus().isCalm && world.dice.chance(0.2);
    if (isBad) throw new Error('simulated: no answer');
    if (answer?.type === 'snapshot') {
      const { envelope } = answer;
      const isOld = this.#mutant === 'what is asked for is what was';
      return isOld
        ? { ...envelope, value: { n: -1, owner: 'nobody' }, sequence: envelope.sequence + 1000 }
        : envelope;
    }
    if (answer?.type !== 'gone') throw new Error(`simulated: ${answer?.type ?? 'no answer'}`);
    const { incarnation, sequence } = answer;
    return { value: null, deleted: true, schema_version: '1.0', incarnation, sequence };
  }

  #perform(world: World, step: Step): void {
    if (step.does === 'recreate') {
      world.recreate(store, step.n * 100);
      return;
    }
    const device = this.#writers[step.who % this.#writers.length];
    if (device === undefined || device.isAsleep) return;
    const handle = this.#handles.get(device)?.[ids.indexOf(step.id)];
    if (handle === undefined) return;
    try {
      this.#note(device.client, writeOf(device.client, handle, step));
    } catch (error) {
      // What its maker is told at once is nobody else's affair.
      const isSaid = error instanceof RejectedError || String(error).includes('simulated');
      // A transaction of what is so already is none.
      if (isSaid || String(error).includes('at least one write')) return;
      world.problem(`calm: ${device.name} ${step.does}: ${String(error)}`);
    }
  }

  #note(
    life: Client,
    receipt: { readonly opId: string; readonly committed: Promise<unknown> },
  ): void {
    const outcomes: string[] = [];
    this.#told.push({ opId: receipt.opId, outcomes, life });
    const tell = (how: string): void => {
      outcomes.push(how);
      if (this.#mutant === 'a write is told of twice') outcomes.push(how);
    };
    receipt.committed.then(
      () => tell(this.#mutant === 'a refused write is committed' ? 'rejected' : 'committed'),
      () => tell('rejected'),
    );
  }

  #calm(): void {
    this.#requireBus().isCalm = true;
  }

  async #check(world: World): Promise<void> {
    // What is late on the bus has come by then, and what is asked for again.
    await world.sleep(10_000);
    for (const handles of this.#handles.values()) {
      for (const handle of handles) handle.retry();
    }
    await world.sleep(60_000);
    const bus = this.#requireBus();
    const log = (await world.log(store)).map(({ op }) => op);
    this.commits += log.length;
    const living = new Set(world.devices.map(({ client }) => client));
    const truth = await itemsStored(world);
    const problems = [
      ...this.#watching.flatMap(({ who, seen }) => monotone(who, seen)),
      ...settled(
        this.#told.filter(({ life }) => living.has(life)),
        log,
      ),
      ...this.#freshness,
      ...this.#judgeBus(bus),
      ...[...this.#handles].flatMap(([device, handles]) => compare(device, handles, truth)),
    ];
    for (const problem of problems) world.problem(problem);
  }

  #judgeBus(bus: RoughBus): readonly string[] {
    const device = this.#writers.find(({ name }) => name === 'bus');
    const handles = device === undefined ? [] : (this.#handles.get(device) ?? []);
    const asked = handles.reduce((sum, handle) => sum + handle.stats().refetches, 0);
    this.asked += asked;
    return bounded('bus', asked, bus.faults + this.#flakes + ids.length);
  }
}

/** Whether a client has all of its store by now. */
function holdsAll(client: Client): boolean {
  const { stores } = client.inspect() as {
    readonly stores: readonly { readonly held?: readonly string[] }[];
  };
  return stores.some(({ held }) => held?.includes('**') === true);
}

function compare(
  { name }: Device,
  handles: readonly RecordHandle<typeof Item>[],
  truth: ReadonlyMap<string, Item>,
): readonly string[] {
  return handles.flatMap((handle, at) => {
    const state = handle.state.get();
    const item = truth.get(ids[at] ?? '');
    const who = `${name}, ${handle.key}`;
    // Nobody can read what is of a major that is not known.
    if (name === 'stranger') {
      return converged(who, state.status, item === undefined ? 'gone' : 'skew');
    }
    const known = name === 'newer' && item ? { ...item, owner: item.owner.toUpperCase() } : item;
    const status = known === undefined ? 'gone' : 'ok';
    return converged(
      who,
      [state.value ?? null, state.status, state.pendingIntents],
      [known ?? null, status, 0],
    );
  });
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runRecords(
  seeds: Seeds,
  terms: RecordTerms = {},
): Promise<{ readonly failure: Failure | null; readonly world: RecordWorld }> {
  const world = new RecordWorld(terms);
  return { failure: await simulate(world.simulation, seeds), world };
}
