import { isSameMajor } from '@holdfast/engine/record';
import {
  type Json,
  passSchema,
  type RecordContext,
  RejectedError,
  type SourceDef,
} from '@holdfast/protocol';
import {
  canonicalJson,
  decodeExact,
  encodeExact,
  type Envelope,
  type HandshakeAnswer,
  type HandshakeRequest,
} from '@holdfast/protocol/record';
import type { Clock } from '../host/clock.ts';
import type { Feed, FeedMessage } from './feeds.ts';
import type { RecordFault } from './records.ts';
import { viewerName } from './viewer-name.ts';

/** When a source runs again. */
export type SourcePolicy =
  | Only<{ readonly every: number; readonly jitter?: number }, 'on' | 'once'>
  | Only<{ readonly on: readonly string[] }, 'every' | 'jitter' | 'once'>
  | Only<{ readonly once: true }, 'every' | 'jitter' | 'on'>;

type Only<Policy, Other extends string> = Policy & { readonly [O in Other]?: never };

/** What computes a source (records.md §15). */
export type SourceOptions<D extends SourceDef = SourceDef> = {
  readonly policy: SourcePolicy;
  run(
    params: TypesOf<D>['read'],
    ctx: RecordContext | undefined,
    signal: AbortSignal,
  ): TypesOf<D>['result'] | Promise<TypesOf<D>['result']>;
  /** Each principal has one of its own, whose `ctx` it is given. */
  readonly perPrincipal?: boolean;
  /** How many may live at once. Default: 1000. */
  readonly maxLive?: number;
  /** How many of them one principal may have begun; of those without a subject nobody knows whose they are. Default: 100. */
  readonly maxLivePerPrincipal?: number;
};

type TypesOf<D extends SourceDef> = NonNullable<D['types']>;

/** What sources need of the server. */
export type SourceRoom = {
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  readonly tell: (fault: RecordFault) => void;
  /** Calls back whenever a record's object changes; the returned function ends it. */
  readonly listen: (key: string, run: () => void) => Promise<() => void>;
};

const LIVE_MAX = 1000;
const OWN_LIVE_MAX = 100;
const LINGER_MS = 30_000;
const JITTER = 0.1;

/** A source as it is declared, its types forgotten. */
type Declared = {
  readonly def: SourceDef;
  readonly policy: SourcePolicy;
  readonly run: (params: unknown, ctx: RecordContext | undefined, signal: AbortSignal) => unknown;
  readonly perPrincipal: boolean;
  readonly maxLive: number;
  readonly maxLivePerPrincipal: number;
};

type AskedSource = {
  readonly declared: Declared;
  readonly params: unknown;
  /** The key by which it is known. */
  readonly ownKey: string;
};

/** The sources of a server: one for each key, shared by all who follow it. */
export class Sources {
  readonly #room: SourceRoom;
  readonly #declared = new Map<string, Declared>();
  readonly #live = new Map<string, LiveSource>();

  constructor(room: SourceRoom) {
    this.#room = room;
  }

  /** Throws a `TypeError` unless there is exactly one policy, and for a second source of its name. */
  declare<D extends SourceDef>(def: D, options: SourceOptions<D>): void {
    const { policy, perPrincipal = false, maxLive = LIVE_MAX } = options;
    const { maxLivePerPrincipal = OWN_LIVE_MAX } = options;
    const kinds = Object.keys(policy ?? {}).filter((kind) => kind !== 'jitter');
    const [kind = ''] = kinds;
    if (kinds.length !== 1 || !['every', 'on', 'once'].includes(kind)) {
      throw new TypeError('A source has exactly one policy: every, on or once.');
    }
    if (this.#declared.has(def.name)) {
      throw new TypeError(`The source "${def.name}" is declared already.`);
    }
    const run = options.run.bind(options);
    const limits = { maxLive, maxLivePerPrincipal };
    this.#declared.set(def.name, { def, policy, run, perPrincipal, ...limits });
  }

  /** Whether a key names a source. Throws `invalid_params`. */
  has(key: string): boolean {
    return this.#read(key) !== null;
  }

  /**
   * Follows a source; null: the key names none. Who has left waits for no run: one may never end. Throws `invalid_params` and
   * `limit_exceeded`.
   */
  async follow(
    key: string,
    { ctx, request }: { readonly ctx: RecordContext; readonly request: Pick<Request, 'signal'> },
    hear: (message: FeedMessage) => void,
  ): Promise<Feed | null> {
    const asked = this.#read(key);
    if (asked === null) return null;
    const { declared, params, ownKey } = asked;
    const id = declared.perPrincipal ? `${ownKey} ${viewerName(ctx.principal)}` : ownKey;
    let live = this.#live.get(id);
    if (live === undefined) {
      const { subject: opener } = ctx.principal;
      this.#makeRoom(declared, opener);
      const own = declared.perPrincipal ? ctx : undefined;
      live = new LiveSource(this.#room, {
        declared,
        params,
        opener,
        ctx: own,
        end: () => this.#live.delete(id),
      });
      this.#live.set(id, live);
    }
    // What came before the answer is in it.
    let isAnswered = false;
    const release = live.join((message) => (isAnswered ? hear(message) : undefined));
    request.signal.addEventListener('abort', release, { once: true });
    await live.seeded(request.signal);
    request.signal.removeEventListener('abort', release);
    const kept = live;
    const answer: Feed['answer'] = (asking) => {
      isAnswered = true;
      return kept.answer(asking);
    };
    return { answer, release };
  }

  /** Has every live source of these parameters run again. */
  invalidate(name: string, params: unknown): void {
    const declared = this.#declared.get(name);
    const key = declared?.def.key(params);
    for (const [id, live] of this.#live) {
      if (id === key || id.startsWith(`${key} `)) live.trigger();
    }
  }

  close(): void {
    for (const live of this.#live.values()) live.stop();
    this.#live.clear();
  }

  #read(key: string): AskedSource | null {
    const [, name = '', text = ''] = /^src\/([^/]+)\/(.*)$/s.exec(key) ?? [];
    const declared = this.#declared.get(name);
    if (declared === undefined) return null;
    const { def } = declared;
    const { given, ownKey } = spelt(text, def);
    const passed = passSchema(def.params, given);
    if ('issue' in passed) throw new RejectedError('invalid_params', { issues: passed.issues });
    return { declared, params: passed.value, ownKey };
  }

  /** What nobody follows any more gives way; where all are followed there is no room. */
  #makeRoom({ def, maxLive, maxLivePerPrincipal }: Declared, opener: string | null): void {
    const live = (): LiveSource[] =>
      [...this.#live.values()].filter((each) => each.name === def.name);
    vacate(live(), maxLive);
    if (opener === null) return;
    const own = live().filter((each) => each.opener === opener);
    vacate(own, maxLivePerPrincipal);
  }
}

/** Sees to it that there are fewer than so many. */
function vacate(sources: readonly LiveSource[], limit: number): void {
  if (sources.length < limit) return;
  const unused = sources.find(({ isFollowed }) => !isFollowed);
  if (unused !== undefined) return unused.stop();
  const { length: current } = sources;
  throw new RejectedError('limit_exceeded', { dimension: 'sources', current, limit });
}

/** The parameters in a key, and the key as it is spelt here: whoever asks may be no client of ours. */
function spelt(text: string, def: SourceDef): { readonly given: unknown; readonly ownKey: string } {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is parsed is JSON
    const given = decodeExact(JSON.parse(text) as Json);
    return { given, ownKey: def.key(given) };
  } catch (error) {
    if (error instanceof RejectedError) throw error;
    throw new RejectedError('invalid_params', { param: 'params' });
  }
}

type Living = {
  readonly declared: Declared;
  readonly params: unknown;
  /** Who has begun it; null: somebody who is nobody in particular. */
  readonly opener: string | null;
  readonly ctx: RecordContext | undefined;
  readonly end: () => void;
};

/**
 * One source while somebody follows it, and a little longer. Runs come one after the other; what triggers during one causes
 * one more. Only what is new and passes the schema is published.
 */
class LiveSource {
  readonly name: string;
  readonly opener: string | null;
  readonly #room: SourceRoom;
  readonly #of: Living;
  readonly #incarnation: string;
  readonly #listeners = new Set<(message: FeedMessage) => void>();
  readonly #abort = new AbortController();
  readonly #unlisten: (() => void)[] = [];
  /** Those who wait for the first run; null: it is over. */
  #waiting: Set<() => void> | null = new Set();
  #value: { readonly json: Json; readonly native: unknown } | null = null;
  #sequence = 0;
  #isRunning = false;
  #isTriggered = false;
  #timer: unknown = null;
  #linger: unknown = null;

  constructor(room: SourceRoom, of: Living) {
    this.#room = room;
    this.#of = of;
    this.name = of.declared.def.name;
    this.opener = of.opener;
    this.#incarnation = room.newId();
    void this.#begin();
  }

  /** Armed before the first run, so that nothing is missed. */
  async #begin(): Promise<void> {
    const { policy } = this.#of.declared;
    this.#isRunning = true;
    const keys = policy.on ?? [];
    await Promise.all(keys.map((key) => this.#listenTo(key)));
    await this.#run();
    this.#goOn();
  }

  #goOn(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const go of waiting) go();
  }

  /** Resolves after the first run, or where there is none any more, or who waits for it leaves. */
  seeded(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#waiting?.delete(go);
        signal.removeEventListener('abort', go);
        resolve();
      };
      if (this.#waiting === null) return go();
      this.#waiting.add(go);
      signal.addEventListener('abort', go, { once: true });
      return undefined;
    });
  }

  /** One that cannot be listened to is told of, and keeps none of the others away. */
  async #listenTo(key: string): Promise<void> {
    try {
      const end = await this.#room.listen(key, () => this.trigger());
      if (this.#abort.signal.aborted) end();
      else this.#unlisten.push(end);
    } catch (error) {
      this.#room.tell({ phase: 'run', record: this.name, error });
    }
  }

  get isFollowed(): boolean {
    return this.#listeners.size > 0;
  }

  join(hear: (message: FeedMessage) => void): () => void {
    this.#room.clock.clearTimeout(this.#linger);
    this.#listeners.add(hear);
    return () => {
      if (!this.#listeners.delete(hear) || this.#listeners.size > 0) return;
      this.#linger = this.#room.clock.setTimeout(() => this.stop(), LINGER_MS);
    };
  }

  answer({ key, incarnation, sequence, client_version }: HandshakeRequest): HandshakeAnswer {
    const { version } = this.#of.declared.def;
    // It could not read what there is, and would ask for it again.
    if (!isSameMajor({ version: client_version }, version)) {
      return { key, type: 'skew', server_version: version };
    }
    if (this.#value === null) {
      return { key, type: 'gone', incarnation: this.#incarnation, sequence: 0 };
    }
    const isCurrent = incarnation === this.#incarnation && sequence === this.#sequence;
    return isCurrent
      ? { key, type: 'current' }
      : { key, type: 'snapshot', envelope: this.#envelope() };
  }

  trigger(): void {
    if (this.#isRunning) this.#isTriggered = true;
    else void this.#run();
  }

  stop(): void {
    this.#abort.abort();
    this.#room.clock.clearTimeout(this.#timer);
    this.#room.clock.clearTimeout(this.#linger);
    for (const end of this.#unlisten) end();
    this.#of.end();
    this.#goOn();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#room.clock.clearTimeout(this.#timer);
    this.#isTriggered = true;
    while (this.#isTriggered && !this.#abort.signal.aborted) {
      this.#isTriggered = false;
      // oxlint-disable-next-line no-await-in-loop -- one run after the other
      await this.#once();
    }
    this.#isRunning = false;
    this.#arm();
  }

  async #once(): Promise<void> {
    const { declared, params, ctx } = this.#of;
    let result: unknown;
    try {
      result = await declared.run(params, ctx, this.#abort.signal);
    } catch (error) {
      this.#room.tell({ phase: 'run', record: this.name, error });
      return;
    }
    if (this.#abort.signal.aborted) return;
    try {
      this.#publish(result);
    } catch (error) {
      this.#room.tell({ phase: 'parse', record: this.name, error });
    }
  }

  /** Throws for what does not pass the schema, or cannot travel. */
  #publish(result: unknown): void {
    const passed = passSchema(this.#of.declared.def.schema, result);
    if ('issue' in passed) throw new Error(passed.issue);
    const { value: native } = passed;
    // The clients hold what they get against the same schema.
    const again = passSchema(this.#of.declared.def.schema, native);
    if ('issue' in again) throw new Error(`schema is not stable: ${again.issue}`);
    const json = encodeExact(native);
    if (this.#value !== null && canonicalJson(this.#value.json) === canonicalJson(json)) return;
    this.#value = { json, native };
    this.#sequence += 1;
    for (const hear of this.#listeners) hear({ envelope: this.#envelope() });
  }

  #envelope(): Envelope {
    return {
      value: this.#value?.native ?? null,
      schema_version: this.#of.declared.def.version,
      sequence: this.#sequence,
      prev: this.#sequence - 1,
      incarnation: this.#incarnation,
    };
  }

  #arm(): void {
    const { policy } = this.#of.declared;
    if (policy.every === undefined || this.#abort.signal.aborted) return;
    const spread = policy.jitter ?? JITTER;
    const delay = policy.every * (1 + spread * (2 * this.#room.random() - 1));
    this.#timer = this.#room.clock.setTimeout(() => this.trigger(), delay);
  }
}
