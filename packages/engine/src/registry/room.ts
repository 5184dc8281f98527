import { HoldfastError } from '@holdfast/protocol';
import { Alarm } from './alarm.ts';
import { Announcer } from './announcer.ts';
import { conduct, deferred } from './deferred.ts';
import { loadOptions, type Settings } from './settings.ts';
import type { CloseReason, EntryState, RegistryStats } from './types.ts';

/** What the room knows of an entry. */
export interface Resident {
  readonly key: string;
  readonly state: EntryState<unknown>;
  readonly isHeld: boolean;
  /** Closes for room what may go; says whether it does (registry.md §5.6). */
  yieldPlace(): boolean;
}

/** How a close ended: done, failed, or left to itself after too long. */
export interface CloseEnd {
  readonly timedOut?: true;
  readonly error?: unknown;
}

/** A close under way. */
export interface Closing {
  readonly deadline: number;
  /** Resolves when it ended, in whichever way. */
  readonly done: Promise<void>;
  /** Stops waiting for it: its signal aborts, and it counts as closed (registry.md §2.3). */
  giveUp(): void;
}

const crowdedRecheckMs = 1000;

/** What the entries of a registry share: its settings, its listeners, its counters, the closes under way, and its cap. */
export class Room<T, O extends object> {
  readonly settings: Settings<T, O>;
  readonly announcer: Announcer<T>;
  readonly tally: Omit<RegistryStats, 'entries' | 'ready' | 'held'>;
  /** Closes under way; `dispose` waits for them (registry.md §7). */
  readonly closings: Set<Closing> = new Set();
  isDisposed = false;
  /** Least recently used first. */
  readonly #entries: Map<string, Resident>;
  readonly #crowdAlarm: Alarm;
  readonly #mismatched = new Set<string>();
  #generation = 0;
  /** The key that last came in, until it is told that there is no room for it. */
  #newcomer: string | undefined;

  constructor(settings: Settings<T, O>, entries: Map<string, Resident>) {
    const { env, timers, report } = settings;
    this.settings = settings;
    this.#entries = entries;
    this.tally = {
      loads: 0,
      hits: 0,
      failures: 0,
      retries: 0,
      closes: 0,
      evictions: 0,
      listenerErrors: 0,
    };
    this.announcer = new Announcer(
      () => env.now(),
      (error, key) => {
        this.tally.listenerErrors += 1;
        report({ phase: 'listener', key, error });
      },
    );
    this.#crowdAlarm = new Alarm(env, timers, () => this.announcer.run(() => this.#trim(0)));
  }

  /** Unique in the registry, and rising. */
  nextGeneration(): number {
    this.#generation += 1;
    return this.#generation;
  }

  enter(entry: Resident): void {
    const { key } = entry;
    this.#newcomer = key;
    this.#makeRoom(1);
    this.#entries.set(key, entry);
    this.announcer.tell({ key, generation: 0 }, { type: 'added' });
  }

  /** The entry was used: last in line for capacity. */
  used(entry: Resident): void {
    if (this.#entries.get(entry.key) !== entry) return;
    this.#entries.delete(entry.key);
    this.#entries.set(entry.key, entry);
  }

  /** The last hold of an entry ended. */
  vacated(): void {
    this.#makeRoom(0);
  }

  leave(entry: Resident): void {
    const { key, state } = entry;
    if (this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    this.announcer.tell({ key, generation: state.generation }, { type: 'removed' });
  }

  /** Applies the mismatch policy (registry.md §3.3): true if the live generation must be replaced; it may throw. */
  mustReplace(entry: Resident, call: Partial<O>, live: O): boolean {
    const { settings } = this;
    const { onMismatch, env, tellDeveloper } = settings;
    if (settings.identity === undefined || onMismatch === 'reuse') return false;
    const asked = settings.identity(loadOptions(settings, call));
    if (agree(asked, settings.identity(live))) return false;
    const { key } = entry;
    const isWarning = onMismatch === 'warn';
    if (isWarning && (!env.dev || this.#mismatched.has(key))) return false;
    if (isWarning) this.#mismatched.add(key);
    this.announcer.tell({ key, generation: entry.state.generation }, { type: 'mismatch' });
    if (isWarning) tellDeveloper(`${key} is open with other options; the first ones stay in force`);
    else if (onMismatch === 'throw' || entry.isHeld) {
      throw new HoldfastError('option_mismatch', { key });
    }
    return !isWarning;
  }

  /** Closes a value; `ended` is called once, perhaps before this returns. */
  close(
    value: T,
    { key, reason }: { readonly key: string; readonly reason: CloseReason },
    ended?: (end: CloseEnd) => void,
  ): Closing {
    const { settings, closings } = this;
    const controller = new AbortController();
    const { promise: done, resolve } = deferred<void>();
    const end = (how: CloseEnd): void => {
      if ('error' in how) settings.report({ phase: 'close', key, error: how.error });
      if (!closings.delete(closing)) return;
      ended?.(how);
      resolve();
    };
    const giveUp = (): void => {
      controller.abort();
      end({ timedOut: true });
    };
    const closing: Closing = { deadline: settings.env.now() + settings.closeTimeout, done, giveUp };
    this.tally.closes += 1;
    closings.add(closing);
    conduct(
      () => settings.close?.(value, { key, reason, signal: controller.signal }),
      () => end({}),
      (error) => end({ error }),
    );
    return closing;
  }

  /** Resolves when no close is under way. */
  async drained(): Promise<void> {
    if (this.closings.size === 0) return;
    await Promise.all([...this.closings].map((closing) => closing.done));
    return this.drained();
  }

  /** No more is closed for room. */
  dispose(): void {
    this.isDisposed = true;
    this.#crowdAlarm.clear();
  }

  /** Looks for room in a later macrotask, so that whoever just got a value can still hold it. */
  #makeRoom(coming: number): void {
    const { maxEntries, timers, env } = this.settings;
    if (this.#entries.size + coming <= maxEntries) return;
    if (timers) this.#crowdAlarm.set(env.now());
    else this.#trim(coming);
  }

  /** Keeps the entries below the cap, least recently used first (registry.md §5.6). */
  #trim(coming: number): void {
    const { maxEntries, env } = this.settings;
    const staying = [...this.#entries.values()].filter(({ state }) => state.status !== 'closing');
    let excess = staying.length + coming - maxEntries;
    for (const entry of staying) {
      if (excess <= 0) return;
      if (entry.yieldPlace()) excess -= 1;
    }
    if (excess <= 0) return;
    if (staying.every(({ isHeld }) => isHeld)) this.#overflow();
    else this.#crowdAlarm.set(env.now() + crowdedRecheckMs);
  }

  #overflow(): void {
    const key = this.#newcomer;
    if (key === undefined) return;
    this.#newcomer = undefined;
    const generation = this.#entries.get(key)?.state.generation ?? 0;
    this.announcer.tell({ key, generation }, { type: 'overCapacity' });
    const { maxEntries, tellDeveloper } = this.settings;
    tellDeveloper(`more than ${maxEntries} entries are in use; nothing was closed`);
  }
}

/** Whether two identities are the same by Object.is, or member by member. */
function agree(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  const others = new Map<string, unknown>(Object.entries(b));
  const members: [string, unknown][] = Object.entries(a);
  return (
    members.length === others.size &&
    members.every(([name, value]) => others.has(name) && Object.is(value, others.get(name)))
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
