import type { UploadHandles } from '../definition.ts';
import type { Alarms } from './alarms.ts';
import type { Cycles } from './cycles.ts';
import type { Layer } from './layer.ts';
import type { Loads } from './loads.ts';
import type { ViewNode } from './node.ts';
import { Hold } from './reads.ts';
import type { Tasks } from './tasks.ts';
import type { InstanceConfig, InstancePorts, Tracker } from './types.ts';
import type { Watch } from './watch.ts';
import type { Load, Work, World } from './world.ts';

/** The parts of an instance, once they are all there. */
export type Parts = {
  readonly cycles: Cycles;
  readonly tasks: Tasks;
  readonly loads: Loads;
  readonly uploads: World['uploads'];
};

/** What the parts of an instance have in common, and how they reach each other. */
export class InnerWorld implements World {
  readonly config: InstanceConfig;
  readonly ports: InstancePorts;
  readonly alarms: Alarms;
  readonly isShared: boolean;
  readonly #parts: () => Parts;
  #tracker: Tracker | null = null;
  #runs = 0;

  constructor(
    of: {
      readonly config: InstanceConfig;
      readonly ports: InstancePorts;
      readonly alarms: Alarms;
    },
    parts: () => Parts,
  ) {
    this.config = of.config;
    this.ports = of.ports;
    this.alarms = of.alarms;
    this.isShared = of.config.view.scope === 'shared';
    this.#parts = parts;
  }

  get tracker(): Tracker | null {
    return this.#tracker;
  }

  get running(): Layer | null {
    return this.#parts().tasks.running;
  }

  get top(): Layer | null {
    return this.#parts().cycles.top;
  }

  readonly uploads: World['uploads'] = {
    handlesFor: (...of): UploadHandles => this.#parts().uploads.handlesFor(...of),
  };

  reading<T>(tracker: Tracker, read: () => T): T {
    const outer = this.#tracker;
    this.#tracker = tracker;
    try {
      return read();
    } finally {
      this.#tracker = outer;
    }
  }

  readWatch(watch: Watch): Promise<unknown> | null {
    const reading = watch.beginReading();
    try {
      watch.value = this.reading(reading, watch.read);
    } catch (error) {
      if (watch.hasRead) watch.followAlso(reading);
      else reading.drop();
      if (error instanceof Hold) return error.until;
      throw error;
    }
    if (!watch.hasRead) watch.told = watch.value;
    watch.hasRead = true;
    watch.keepReading(reading);
    return null;
  }

  enqueue(work: Work): void {
    this.#parts().tasks.add(work);
  }

  find(key: string): ViewNode | null {
    return this.#parts().cycles.index.get(key) ?? null;
  }

  /** One function for all nodes. */
  readonly touch = (node: ViewNode): void => {
    this.#parts().cycles.touch(node);
  };

  watchChanged(watch: Watch): void {
    this.#parts().cycles.watchChanged(watch);
  }

  nextRun(): number {
    this.#runs++;
    return this.#runs;
  }

  load(load: Load): void {
    this.#parts().loads.start(load);
  }

  abortLoads(node: ViewNode, name: string): void {
    this.#parts().loads.abort(node, name);
  }

  fault(where: string, node: ViewNode, error: unknown): string {
    const id = `e_${this.ports.id()}`;
    this.ports.perform({ type: 'fault', id, where, node: node.storeId, error });
    return id;
  }
}
