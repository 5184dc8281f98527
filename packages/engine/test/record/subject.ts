import {
  InProcessTransport,
  Reconciler,
  type ReconcilerEffect,
  type ReconcilerStats,
  type ReconcilerStatus,
  type SyncTransport,
} from '@holdfast/engine/record';
import { record, type RecordDef, type RecordSpec, type StandardSchema } from '@holdfast/protocol';
import { type Envelope, type HandshakeAnswer, passObject } from '@holdfast/protocol/record';
import { VirtualClock } from '../virtual-clock.ts';

/** What the record of these tests holds. */
export type Value = { readonly n: number };

const schema: StandardSchema<Value, Value> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const { n } = Object(value) as { n?: unknown };
      if (n === 'throw') throw new Error('the schema throws');
      return typeof n === 'number' ? { value: { n } } : { issues: [{ message: 'no number' }] };
    },
  },
};

type Spec = Partial<RecordSpec<'item', 'acme/app', 'items/:id', typeof schema, 'output', object>>;

type SubjectOptions = {
  readonly spec?: Spec;
  readonly asks?: 'fetch' | 'handshake' | 'nobody';
  readonly asksAlone?: boolean;
  readonly random?: () => number;
};

type Fetch = (run: number) => unknown;

/** An envelope of the incarnation e1, numbered as its value. */
export function at(
  sequence: number,
  over: Partial<Envelope> & { readonly n?: unknown } = {},
): Envelope {
  const { n = sequence, ...rest } = over;
  return { value: { n }, schema_version: '1.0', sequence, incarnation: 'e1', ...rest };
}

/** One record over a transport, with whoever is asked for snapshots; time is virtual. */
export class Subject {
  readonly clock: VirtualClock = new VirtualClock();
  readonly transport: SyncTransport = new InProcessTransport();
  readonly stats: ReconcilerStats;
  readonly reconciler: Reconciler;
  readonly requests: number[] = [];
  readonly aborted: number[] = [];
  readonly reports: unknown[] = [];
  readonly skews: string[] = [];
  readonly persisted: (Envelope | null)[] = [];
  /** Each state that was shown: value, sequence, status. */
  readonly shown: (readonly [number | undefined, number, ReconcilerStatus])[] = [];
  #wakeAt: number | null = null;

  constructor({
    spec = {},
    asks = 'fetch',
    asksAlone = false,
    random = () => 1,
  }: SubjectOptions = {}) {
    const given = { name: 'item', store: 'acme/app', path: 'items/:id', version: '1.0', schema };
    const stats = { applied: 0, ignoredStale: 0, gaps: 0, parseErrors: 0, refetches: 0 };
    const others = { schemaSkews: 0, envelopeErrors: 0, staleSnapshots: 0, incarnationChanges: 0 };
    this.stats = { ...stats, ...others, migrated: 0, dropped: 0, listenerErrors: 0 };
    const def = record({ ...given, ...spec } as never) as RecordDef;
    this.reconciler = new Reconciler({
      def,
      pass: (value) => passObject(def, value),
      stats: this.stats,
      random,
      canAsk: asks !== 'nobody',
      asksFirst: asks === 'handshake',
      asksAlone,
    });
  }

  get value(): number | undefined {
    return (this.reconciler.server?.value as Value | undefined)?.n;
  }

  get sequence(): number {
    return this.reconciler.server?.sequence ?? 0;
  }

  get status(): ReconcilerStatus {
    return this.reconciler.status;
  }

  /** The last request that is under way. */
  get run(): number {
    return this.requests.at(-1) ?? 0;
  }

  seed(message: unknown): this {
    return this.tell({ type: 'envelope', source: 'seed', message }).start();
  }

  start(): this {
    return this.tell({ type: 'start' });
  }

  receive(...messages: readonly unknown[]): this {
    for (const message of messages) this.tell({ type: 'envelope', source: 'receipt', message });
    return this;
  }

  answer(answer: HandshakeAnswer, run: number = this.run): this {
    return this.tell({ type: 'answer', run, answer });
  }

  fetched(message: unknown, run: number = this.run): this {
    return this.tell({ type: 'fetched', run, message });
  }

  failed(run: number = this.run): this {
    return this.tell({ type: 'failed', run, error: new Error('down') });
  }

  /** Lets the time come at which something is due, and answers each request that follows. */
  async idle(fetch: Fetch, rounds = 100): Promise<this> {
    let answered = 0;
    for (let round = 0; round < rounds && !this.reconciler.isIdle; round++) {
      if (this.requests.length > answered) {
        answered = this.requests.length;
        const message = fetch(this.run);
        if (message instanceof Error) this.failed();
        else this.fetched(message);
      } else {
        await this.clock.advance(Math.max(0, (this.#wakeAt ?? 0) - this.clock.now()));
        this.tell({ type: 'tick' });
      }
    }
    return this;
  }

  async wait(ms: number): Promise<this> {
    await this.clock.advance(ms);
    return this.tell({ type: 'tick' });
  }

  tell(input: Told): this {
    for (const effect of this.reconciler.step({ ...input, now: this.clock.now() } as never)) {
      this.#perform(effect);
    }
    const now = [this.value, this.sequence, this.status] as const;
    if (JSON.stringify(now) !== JSON.stringify(this.shown.at(-1))) this.shown.push(now);
    return this;
  }

  #perform(effect: ReconcilerEffect): void {
    switch (effect.type) {
      case 'request':
        this.requests.push(effect.run);
        break;
      case 'abort':
        this.aborted.push(effect.run);
        break;
      case 'wake':
        this.#wakeAt = effect.at;
        break;
      case 'report':
        this.reports.push(effect.error);
        break;
      case 'skewed':
        this.skews.push(effect.server);
        break;
      case 'persist':
        this.persisted.push(effect.envelope);
        break;
    }
  }
}

type Told =
  | { readonly type: 'start' | 'reconnected' | 'retry' | 'tick' | 'close' }
  | { readonly type: 'envelope'; readonly source: string; readonly message: unknown }
  | { readonly type: 'answer'; readonly run: number; readonly answer: HandshakeAnswer }
  | { readonly type: 'told'; readonly answer: HandshakeAnswer }
  | { readonly type: 'fetched'; readonly run: number; readonly message: unknown }
  | { readonly type: 'failed'; readonly run: number; readonly error: unknown };
