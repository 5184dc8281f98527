import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { defaultLimits, parseStoreName } from '@holdfast/protocol';
import { memoryBlobs } from '../blobs/memory.ts';
import { memoryBus } from '../bus/memory.ts';
import { Files } from '../files/index.ts';
import type { Clock } from '../host/clock.ts';
import { doorTo } from '../host/door.ts';
import { Stores } from '../host/stores.ts';
import { Meters } from '../metrics/index.ts';
import { memory } from '../storage/memory.ts';
import {
  Openings,
  openViews,
  StoreOfView,
  type ViewOptions,
  type Views,
  type ViewStore,
} from '../views/index.ts';

/** The parts of a server that views need, in memory, without a socket. */
export type TestServer = { readonly views: Views; store(name: string): ViewStore };

/** What is said of it. */
export type TestSettings = {
  readonly clock: Clock;
  /** The roots of the stores that there are, by name. */
  readonly stores: { readonly [name: string]: object };
  readonly report: (what: string, error: unknown) => void;
  readonly warn: (what: string) => void;
};

/** Makes it, with these stores. */
export async function openTestServer(
  options: ViewOptions,
  { clock, stores, report, warn }: TestSettings,
): Promise<TestServer> {
  const storage = memory({ now: () => clock.wall() });
  const room = {
    storage,
    bus: memoryBus(),
    clock,
    limits: defaultLimits,
    meters: new Meters(),
    slow: null,
    report,
    stopped: () => undefined,
  };
  let numbers = 0;
  const door = doorTo(new Stores(room), () => (numbers += 1));
  const files = new Files({ ...room, blobs: memoryBlobs() });
  const views = openViews({ data: tmpdir(), ...options }, { ...room, ...door, files, warn });
  const access = { tracker: () => null, isReadOnly: () => false, principal: () => null };
  const openings = new Openings({ desk: views.desk, clock });
  const store = (name: string): ViewStore =>
    new StoreOfView(openings.open(name, null), access, defaultLimits);
  for (const [name, content] of Object.entries(stores)) {
    const parsed = parseStoreName(name);
    if (parsed === null) throw new TypeError(`"${name}" is not a store name like org/name.`);
    const ids = { id: randomUUID(), incarnation: randomUUID() };
    // oxlint-disable-next-line no-await-in-loop -- a handful
    await storage.stores.create({ ...ids, name: parsed, expiresAt: null });
    if (Object.keys(content).length === 0) continue;
    // oxlint-disable-next-line no-await-in-loop -- the same
    await store(name).transact((tx) => {
      for (const [key, value] of Object.entries(content)) tx.put([key], value);
    });
  }
  return { views, store };
}
