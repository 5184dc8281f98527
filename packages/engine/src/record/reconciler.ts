import { HoldfastError, type MonotonicMs } from '@holdfast/protocol';
import { type HandshakeAnswer, type ReadEnvelope, readEnvelope } from '@holdfast/protocol/record';
import { migrate } from './migration.ts';
import type {
  ReconcilerConfig,
  ReconcilerEffect,
  ReconcilerInput,
  ReconcilerStatus,
  ServerSide,
  Source,
} from './reconciler-types.ts';
import { type Cause, Recovery, type RequestEnd } from './recovery.ts';
import { share } from './share.ts';

const retiredMax = 8;

/**
 * Gates and orders what comes of one record by envelopes, and asks for what it misses (records.md §6).
 *
 * 1. Within an incarnation the sequence never decreases; what is not newer is not looked at.
 * 2. What does not pass a gate changes nothing but what is missing.
 * 3. Every step is whole before anything of it is told.
 */
export class Reconciler {
  readonly #config: ReconcilerConfig;
  readonly #recovery: Recovery;
  #server: ServerSide | null = null;
  #isGone = false;
  #isDenied = false;
  #phase: 'idle' | 'started' | 'closed' = 'idle';
  #retired: string[] = [];
  #skewedBy: string | null = null;
  #error: unknown = undefined;
  #effects: ReconcilerEffect[] = [];
  #wakeAt: MonotonicMs | null = null;
  #isFirst = true;

  constructor(config: ReconcilerConfig) {
    this.#config = config;
    this.#recovery = new Recovery({
      canAsk: config.canAsk,
      asksAlone: config.asksAlone,
      random: config.random,
      ask: (run) => this.#request(run),
      abort: (run) => this.#effects.push({ type: 'abort', run }),
      gaveUp: (how) => this.#gaveUp(how),
    });
  }

  get server(): ServerSide | null {
    return this.#server;
  }

  get error(): unknown {
    const { status } = this;
    return status === 'ok' || status === 'gone' ? undefined : this.#error;
  }

  /** The version that the server has, where it cannot be read. */
  get serverVersion(): string | null {
    return this.status === 'skew' ? this.#skewedBy : null;
  }

  /** Whether nothing is awaited. */
  get isIdle(): boolean {
    return !this.#recovery.isBusy;
  }

  get status(): ReconcilerStatus {
    if (this.#phase === 'closed') return 'closed';
    if (this.#isDenied) return 'denied';
    // Not any more where something newer came, though it could not be taken.
    if (this.#isGone && this.#recovery.lack === null) return 'gone';
    if (this.#phase === 'idle' && this.#server === null) return 'idle';
    if (this.#recovery.isBusy) return this.#server === null ? 'loading' : 'refetching';
    return this.#recovery.lack ?? (this.#server === null ? 'stale' : 'ok');
  }

  step(input: ReconcilerInput): readonly ReconcilerEffect[] {
    this.#effects = [];
    if (this.#phase !== 'closed') this.#take(input);
    // A timer may ring a little early: what is still due is announced anew.
    if (input.type === 'tick') this.#wakeAt = null;
    const at = this.#recovery.wakeAt;
    if (at !== this.#wakeAt) this.#effects.push({ type: 'wake', at });
    this.#wakeAt = at;
    return this.#effects;
  }

  #take(input: ReconcilerInput): void {
    const { now } = input;
    switch (input.type) {
      case 'start':
        this.#start(now);
        break;
      case 'envelope':
        this.#ingest(input, now);
        break;
      case 'told':
        this.#told(input.answer, now);
        break;
      case 'answer':
      case 'fetched':
      case 'failed':
        if (this.#recovery.isCurrent(input.run)) this.#ended(input);
        break;
      // Nobody knows what went by meanwhile.
      case 'reconnected':
        this.#recovery.reconnected(now);
        break;
      case 'retry':
        this.#recovery.again(now);
        break;
      case 'tick':
        this.#recovery.tick(now);
        break;
      case 'close':
        this.#recovery.close();
        this.#phase = 'closed';
        break;
    }
  }

  #start(now: MonotonicMs): void {
    this.#phase = 'started';
    if (this.#config.asksFirst || this.#server === null) this.#recovery.begin(now);
  }

  /** The request that is under way has come to something. */
  #ended(input: Extract<ReconcilerInput, { readonly run: number }>): void {
    const { now, run } = input;
    if (input.type === 'answer') {
      const end = this.#answered(input.answer, now);
      if (end !== null) this.#recovery.ended(run, end, now);
    } else if (input.type === 'fetched') this.#fetched(input, now);
    else {
      this.#error = input.error;
      this.#recovery.ended(run, 'failed', now);
    }
  }

  #request(run: number): void {
    const server = this.#server;
    // The question at the start is no recovery.
    if (!this.#isFirst || this.#recovery.lack !== null) this.#config.stats.refetches += 1;
    this.#isFirst = false;
    const have = server && {
      incarnation: server.incarnation,
      sequence: server.sequence,
      schemaVersion: server.schemaVersion,
    };
    this.#effects.push({ type: 'request', run, have });
  }

  #gaveUp(how: 'stale' | 'skew'): void {
    const { def } = this.#config;
    const details = { record: def.name, status: how };
    this.#error ??= new HoldfastError('unavailable', details);
    this.#effects.push({ type: 'report', error: this.#error });
  }

  #fetched(
    { run, message }: { readonly run: number; readonly message: unknown },
    now: MonotonicMs,
  ): void {
    let end: RequestEnd = 'nothing';
    if (message !== null && message !== undefined) {
      end = this.#ingest({ source: 'snapshot', message }, now) ? 'taken' : 'bad';
    }
    this.#recovery.ended(run, end, now);
  }

  /** Nobody asked, so that no request comes to its end; what cannot be taken is asked for. */
  #told(answer: HandshakeAnswer, now: MonotonicMs): void {
    if (this.#answered(answer, now) === 'bad') this.#recovery.again(now);
  }

  /** What an answer comes to; null: there is no hope. */
  #answered(answer: HandshakeAnswer, now: MonotonicMs): RequestEnd | null {
    const { stats } = this.#config;
    let end: RequestEnd = 'taken';
    switch (answer.type) {
      case 'current':
        this.#isDenied = false;
        if (this.#server !== null) this.#confirm(this.#server);
        break;
      case 'snapshot': {
        const isReset = answer.reset === true;
        const source = 'snapshot' as const;
        end = this.#ingest({ source, message: answer.envelope, isReset }, now) ? 'taken' : 'bad';
        break;
      }
      case 'skew':
        stats.schemaSkews += 1;
        this.#isDenied = false;
        this.#skewed(answer.server_version);
        if (answer.envelope !== undefined) {
          end = this.#ingest({ source: 'snapshot', message: answer.envelope }, now)
            ? 'taken'
            : 'bad';
          break;
        }
        this.#recovery.isHopeless(now);
        return null;
      case 'gone': {
        // It may have been made anew while the answer was on its way.
        const order = this.#order(answer, 'snapshot', false);
        if (order !== 'newer' && order !== 'confirm') break;
        this.#adopt(answer.incarnation);
        this.#vanish(answer.sequence, answer.incarnation);
        break;
      }
      case 'denied':
        this.#deny(answer.reason);
        end = 'nothing';
        break;
    }
    return end;
  }

  #deny(reason: string): void {
    this.#isDenied = true;
    this.#server = null;
    this.#isGone = false;
    this.#error = new HoldfastError('denied', { why: reason });
    this.#recovery.took(Infinity, null);
    this.#effects.push({ type: 'persist', envelope: null });
  }

  #vanish(sequence: number, incarnation: string | null): void {
    const schemaVersion = this.#config.def.version;
    const gone = { raw: undefined, value: undefined, sequence, incarnation, schemaVersion };
    this.#commit({ ...gone, source: 'snapshot' });
  }

  /** Takes an envelope through the gates, in the order of records.md §6.4; says whether it was taken, or confirmed. */
  #ingest({ source, message, isReset = false }: Incoming, now: MonotonicMs): boolean {
    const when = source === 'snapshot' ? null : now;
    const { stats } = this.#config;
    const read = readEnvelope(message);
    if ('fault' in read) {
      stats.envelopeErrors += 1;
      this.#error = new HoldfastError(
        'invalid_value',
        { record: this.#config.def.name },
        read.fault,
      );
      this.#recovery.lacks({ sequence: 'any', incarnation: null }, 'other', when);
      return false;
    }
    const order = this.#order(read, source, isReset);
    if (order === 'foreign') {
      stats.incarnationChanges += 1;
      const { sequence, incarnation } = read;
      this.#recovery.lacks({ sequence, incarnation }, 'other', when);
    }
    if (order === 'confirm' && this.#server !== null) this.#confirm(this.#server);
    if (order !== 'newer') return order === 'confirm' || order === 'old';
    return this.#gate(read, { source, isReset }, when);
  }

  /** Steps 3 and 4: what an envelope is to what there is. */
  #order(read: Numbered, source: Source, isReset: boolean): Order {
    const { stats } = this.#config;
    const { incarnation } = read;
    const isRetired = incarnation !== null && this.#retired.includes(incarnation);
    const order = isRetired ? 'stale' : orderOf(this.#server, read, { source, isReset });
    if (order === 'stale') stats.ignoredStale += 1;
    if (order === 'old') stats.staleSnapshots += 1;
    return order;
  }

  /** Steps 5 to 7. */
  #gate(
    read: ReadEnvelope,
    { source, isReset }: Pick<Incoming, 'source' | 'isReset'>,
    when: MonotonicMs | null,
  ): boolean {
    const { stats } = this.#config;
    const { incarnation, sequence, prev, schemaVersion } = read;
    const passed = read.isDeleted ? { raw: undefined, value: undefined } : this.#pass(read);
    if ('cause' in passed) {
      this.#recovery.lacks({ sequence, incarnation }, passed.cause, when);
      return false;
    }
    const known = this.#enter(incarnation);
    if (known !== null && prev !== null && prev > known.sequence) stats.gaps += 1;
    this.#commit({
      ...passed,
      sequence: isReset ? Math.max(sequence, known?.sequence ?? 0) : sequence,
      incarnation: incarnation ?? known?.incarnation ?? null,
      schemaVersion,
      source,
    });
    return true;
  }

  #pass({
    value,
    schemaVersion,
  }: ReadEnvelope): { readonly raw: unknown; readonly value: unknown } | { readonly cause: Cause } {
    const { def, stats } = this.#config;
    const migrated = migrate(def, value, schemaVersion);
    if (migrated === 'skew') {
      stats.schemaSkews += 1;
      this.#skewed(schemaVersion);
      return { cause: 'version' };
    }
    if (migrated.isMigrated) stats.migrated += 1;
    const passed = this.#config.pass(migrated.value);
    if ('value' in passed) {
      return { raw: migrated.value, value: share(this.#server?.value, passed.value) };
    }
    stats.parseErrors += 1;
    const { issue, issues } = passed;
    this.#error = new HoldfastError('invalid_value', { record: def.name, issues }, issue);
    return { cause: 'other' };
  }

  #skewed(version: string): void {
    const { def } = this.#config;
    this.#error = new HoldfastError('schema_skew', {
      record: def.name,
      client: def.version,
      server: version,
    });
    if (this.#skewedBy === version) return;
    this.#skewedBy = version;
    this.#effects.push({ type: 'skewed', server: version });
  }

  /** What there is of the incarnation that an envelope is of; what came before in another one means nothing. */
  #enter(incarnation: string | null): ServerSide | null {
    if (incarnation !== null) this.#adopt(incarnation);
    return this.#server;
  }

  /** Another incarnation begins anew; the one before is never heard again. */
  #adopt(incarnation: string): void {
    const known = this.#server?.incarnation ?? null;
    if (known === null || known === incarnation) return;
    this.#retired = [...this.#retired, known].slice(-retiredMax);
    this.#server = null;
  }

  #commit(server: ServerSide): void {
    this.#server = server;
    this.#isGone = server.value === undefined;
    this.#isDenied = false;
    this.#config.stats.applied += 1;
    this.#recovery.took(server.sequence, server.incarnation);
    const { raw, sequence, incarnation, schemaVersion } = server;
    const envelope = {
      value: raw ?? null,
      schema_version: schemaVersion,
      sequence,
      incarnation,
      ...(this.#isGone && { deleted: true as const }),
    };
    this.#effects.push({ type: 'persist', envelope });
  }

  #confirm({ sequence, incarnation }: ServerSide): void {
    this.#recovery.took(sequence, incarnation);
  }
}

type Numbered = Pick<ReadEnvelope, 'incarnation' | 'sequence'>;

type Incoming = { readonly source: Source; readonly message: unknown; readonly isReset?: boolean };

/** `stale`: not to be looked at; `old`: an older snapshot; `foreign`: of an incarnation that only a snapshot can begin. */
type Order = 'newer' | 'confirm' | 'old' | 'stale' | 'foreign';

function orderOf(
  server: ServerSide | null,
  { incarnation, sequence }: Numbered,
  { source, isReset }: { readonly source: Source; readonly isReset: boolean },
): Order {
  if (server === null) return 'newer';
  const isReceipt = source === 'receipt';
  // One that does not tell its incarnation is of this one.
  const isOther = incarnation !== null && incarnation !== (server.incarnation ?? incarnation);
  if (isOther) return isReceipt ? 'foreign' : 'newer';
  if (sequence > server.sequence || isReset) return 'newer';
  if (isReceipt) return 'stale';
  return sequence === server.sequence ? 'confirm' : 'old';
}
