import {
  type CloseReason,
  type EntryState,
  Registry,
  type RegistryConfig,
  type RegistryEvent,
} from '@holdfast/engine/registry';
import { VirtualClock } from '../virtual-clock.ts';

export type Thing = { readonly key: string; readonly number: number };
export type Options = { color?: string; debug?: { a?: number; b?: number } };
type Config = RegistryConfig<Thing, Options>;
type Settings = Partial<Omit<Config, 'defaults' | 'load'>> & {
  ttl?: number;
  defaults?: Config['defaults'];
  /** How long a load takes. */
  takes?: number;
  /** Errors that the next loads end with, in order. */
  errors?: unknown[];
  load?: Config['load'];
};

/** A registry of numbered things on a virtual clock, whose opens and closes are counted. */
export class Rig {
  readonly clock: VirtualClock;
  readonly registry: Registry<Thing, Options>;
  readonly opened: Thing[] = [];
  readonly closed: { thing: Thing; reason: CloseReason }[] = [];
  readonly aborted: string[] = [];
  readonly events: RegistryEvent[] = [];
  readonly problems: { phase: string; error: unknown }[] = [];
  readonly seenOptions: Options[] = [];
  loads = 0;

  constructor(settings: Settings = {}, clock: VirtualClock = new VirtualClock()) {
    const { ttl, defaults, takes, errors = [], load, close, ...config } = settings;
    this.clock = clock;
    this.registry = new Registry<Thing, Options>({
      name: 'things',
      env: clock,
      onError: (problem) => this.problems.push(problem),
      ...config,
      defaults: { ...defaults, ...(ttl === undefined ? {} : { ttl }) },
      load: async (key, options, ctx) => {
        this.loads += 1;
        this.seenOptions.push(options);
        ctx.signal.addEventListener('abort', () => this.aborted.push(key));
        if (load !== undefined) return load(key, options, ctx);
        if (takes !== undefined) await clock.wait(takes);
        if (errors.length > 0) throw errors.shift();
        return this.open(key);
      },
      close: (thing, ctx) => {
        this.closed.push({ thing, reason: ctx.reason });
        return close?.(thing, ctx);
      },
    });
    this.registry.subscribe((event) => this.events.push(event));
  }

  /** Makes a thing, as a loader does. */
  open(key: string): Thing {
    const thing = { key, number: this.opened.length + 1 };
    this.opened.push(thing);
    return thing;
  }

  /** The number of the value that is there, without using it; undefined if none is ready. */
  at(key: string): number | undefined {
    const state = this.registry.peek(key);
    return state.status === 'ready' ? state.value.number : undefined;
  }

  status(key: string): EntryState<Thing>['status'] {
    return this.registry.peek(key).status;
  }

  /** The types of the events of a key so far. */
  types(key: string): string[] {
    return this.events.filter((event) => event.key === key).map((event) => event.type);
  }
}

/** What a promise that is settled by now or soon rejects with. */
export async function errorOf(promise: unknown): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** What a call throws. */
export function thrownBy(deed: () => unknown): unknown {
  try {
    deed();
  } catch (error) {
    return error;
  }
  return undefined;
}
