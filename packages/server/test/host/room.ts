import { defaultLimits } from '@holdfast/protocol';
import type { Storage } from '@holdfast/server/storage';
import { memoryBus } from '../../src/bus/memory.ts';
import type { Stores } from '../../src/host/stores.ts';
import { Meters } from '../../src/metrics/index.ts';
import type { VirtualClock } from '../conversation/clock.ts';

/** What the stores of a host need, on a storage and a clock of the test; what goes wrong fails it. */
export function roomOf(
  storage: Storage,
  clock: VirtualClock,
): ConstructorParameters<typeof Stores>[0] {
  return {
    storage,
    clock,
    bus: memoryBus(),
    limits: defaultLimits,
    meters: new Meters(),
    slow: null,
    report: (what, error) => {
      throw new Error(what, { cause: error });
    },
    stopped: () => undefined,
  };
}
