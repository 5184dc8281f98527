import type { DeviceId, EpochMs, StoreName } from '@holdfast/protocol';
import { devicesDropped, devicesMax, forgottenDevices } from '../batch.ts';
import type { DeviceRecord, DeviceTable, Retention } from '../port.ts';
import type { Clocks } from '../settled.ts';

type Kept = { readonly record: DeviceRecord; readonly usedAt: EpochMs };

/** The table of capver-3 devices. */
export class MemoryDevices implements DeviceTable {
  readonly #clocks: Clocks;
  readonly #retention: Retention;
  /** Those of each store in the order of their last use, and the stores in the order of theirs. */
  readonly #stores = new Map<StoreName, Map<string, Kept>>();

  constructor(clocks: Clocks, retention: Retention) {
    this.#clocks = clocks;
    this.#retention = retention;
  }

  async get(store: StoreName, device: DeviceId): Promise<DeviceRecord | 'forgotten' | null> {
    const devices = this.#stores.get(store);
    const found = devices?.get(device)?.record ?? null;
    return found === null && devices?.has(forgottenDevices) === true ? 'forgotten' : found;
  }

  async put(store: StoreName, device: DeviceId, record: DeviceRecord): Promise<void> {
    const usedAt = this.#clocks.now();
    const devices = this.#stores.get(store) ?? new Map<string, Kept>();
    this.#stores.delete(store);
    this.#stores.set(store, devices);
    if (!devices.delete(device)) makeRoom(devices, usedAt);
    devices.set(device, { record, usedAt });
    for (const [name, kept] of this.#stores) {
      this.#prune(kept);
      if (kept.size > 0) break;
      this.#stores.delete(name);
    }
    this.#prune(devices);
  }

  #prune(devices: Map<string, Kept>): void {
    const old = this.#clocks.settled() - this.#retention.resyncMs;
    for (const [device, { usedAt }] of devices) {
      if (usedAt >= old) break;
      devices.delete(device);
    }
  }
}

function makeRoom(devices: Map<string, Kept>, now: EpochMs): void {
  const hasForgotten = devices.delete(forgottenDevices);
  const mustForget = devices.size >= devicesMax;
  const dropped = mustForget ? [...devices.keys()].slice(0, devicesDropped) : [];
  for (const device of dropped) devices.delete(device);
  if (!hasForgotten && !mustForget) return;
  const record = { incarnation: '', scope: '', unconfirmed: true };
  devices.set(forgottenDevices, { record, usedAt: now });
}
