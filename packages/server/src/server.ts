import { randomUUID } from 'node:crypto';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Limits } from '@holdfast/protocol';
import {
  Access,
  AuditLog,
  allowsOrigin,
  type AddedPrincipal,
  Rates,
  ratesOf,
  Signer,
  TokenAuthority,
} from './access/index.ts';
import { memoryBus } from './bus/memory.ts';
import { call } from './call.ts';
import { Files, sightOf } from './files/index.ts';
import { type Clock, systemClock } from './host/clock.ts';
import { Compactor, retentionOf } from './host/compactor.ts';
import { doorTo, type StoreDoor } from './host/door.ts';
import { PresenceTopics } from './host/presence-topics.ts';
import type { HostRoom } from './host/store-host.ts';
import { Stores } from './host/stores.ts';
import { logOf } from './error-log.ts';
import { addGauges, figuresOf, type Parts } from './gauges.ts';
import { checkOAuth, createHttp } from './http/index.ts';
import { httpServer } from './http-server.ts';
import { measuredBlobs, Meters, meterProcess } from './metrics/index.ts';
import { openBlobs, openStorage } from './keeping.ts';
import { slowLog } from './slow-log.ts';
import { sparingLog } from './sparing-log.ts';
import { limitsOf, quotasOf } from './limits.ts';
import { Listener } from './listen.ts';
import { expireStores, operatorStores, operatorTokens, type OperatorRoom } from './operator.ts';
import { patient } from './patient.ts';
import { Readiness } from './ready.ts';
import { version } from './version.ts';
import {
  checkOptions,
  type Server,
  type ServerAddress,
  type ServerDescription,
  type ServerLog,
  type ServerOptions,
} from './server-options.ts';
import { type InProcess, inProcess } from './socket/in-process.ts';
import { Flusher } from './socket/outbox.ts';
import { Fanouts, type SocketRoom } from './socket/room.ts';
import { Seeds } from './socket/seeds.ts';
import { Snapshots } from './socket/snapshots.ts';
import { Sockets } from './socket/sockets.ts';
import { storeFigures } from './socket/status.ts';
import type { Storage } from './storage/port.ts';
import {
  type DeskRoom,
  type MountedRecords,
  recordDesk,
  type RecordFault,
  Records,
} from './records/index.ts';
import { openViews, type Views } from './views/index.ts';
import { reachOf, Webhooks } from './webhooks/index.ts';

const EXPIRY_SWEEP_MS = 15_000;
const RETRY_AFTER_MS = 1000;

/**
 * Makes a server; it accepts nobody before `listen`. Throws `TypeError` for unknown options and limits and where neither
 * `data` nor `storage` is given, `RangeError` for a limit that is no positive integer, and `StorageError` where the files
 * cannot be opened.
 */
export function createServer(options: ServerOptions): Server {
  return new HoldfastServer(checkOptions(options));
}

class HoldfastServer implements Server {
  readonly #options: ServerOptions;
  readonly #log: ServerLog;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #quotas: ReturnType<typeof quotasOf>;
  readonly #rates: Rates;
  readonly #storage: Storage;
  readonly #readiness: Readiness;
  readonly #openStores: Stores;
  readonly #records: Records;
  readonly #compactor: Compactor;
  readonly #files: Files;
  readonly #webhooks: Webhooks;
  readonly #presence: PresenceTopics;
  readonly #views: Views;
  readonly #tokens: TokenAuthority;
  readonly #audit: AuditLog;
  readonly stores: Server['stores'];
  readonly tokens: Server['tokens'];
  readonly record: Server['record'];
  readonly publish: Server['publish'];
  readonly syncHandler: Server['syncHandler'];
  readonly source: Server['source'];
  readonly invalidateSource: Server['invalidateSource'];
  readonly transact: Server['transact'];
  readonly recheck: Server['recheck'];
  readonly tell: Server['tell'];
  readonly renderOnce: Server['renderOnce'];
  readonly upgrade: Server['upgrade'] = (...came) => this.#sockets.upgrade(...came);
  readonly request: Server['request'] = (...came) => void this.#http.emit('request', ...came);
  readonly #sockets: Sockets;
  readonly #access: Access;
  readonly #seeds: Seeds;
  readonly #http: HttpServer;
  readonly #listener: Listener;
  readonly #meters = new Meters();
  readonly #unmeter: () => void;
  readonly #since: number;
  #numbers = 0;
  #draining = false;
  #expiryTimer: unknown = null;
  #closing: Promise<void> | null = null;
  /** Ends what would go on for ever. */
  readonly #closingSignal = new AbortController();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = sparingLog(logOf(options.log), this.#clock);
    this.#since = this.#clock.now();
    this.#limits = limitsOf(options.limits);
    this.#quotas = quotasOf(options.quotas);
    const retention = retentionOf(options.retention);
    const rates = options.rates === false ? null : ratesOf(options.rates);
    this.#rates = new Rates(rates, () => this.#clock.now());
    const reach = reachOf(options.webhooks);
    if (options.oauth !== undefined) checkOAuth(options.oauth);
    this.#records = new Records(options.app?.records ?? [], {
      tell: (fault) => this.#fault(fault),
      now: () => this.#clock.wall(),
    });
    // Last of what may throw: from here on there is something to close.
    this.#storage = openStorage(options);
    this.#readiness = new Readiness(this.#storage);
    this.#unmeter = meterProcess(this.#meters);
    const room = this.#hostRoom();
    this.#openStores = new Stores(room);
    this.#presence = new PresenceTopics(room);
    const sights = { ...this.#door(), veilOf: this.#records.veilIn.bind(this.#records) };
    const blobs = measuredBlobs(openBlobs(options), this.#meters);
    this.#files = new Files({ ...room, blobs, sight: sightOf(sights) });
    const counted = (result: string): void => this.#meters.webhookAttempts.add(result);
    this.#webhooks = new Webhooks({ ...room, newId: randomUUID, counted }, reach);
    this.#views = openViews(options, {
      ...room,
      files: this.#files,
      ...sights,
      warn: (what) => this.#log.info({}, what),
    });
    ({ recheck: this.recheck, tell: this.tell, renderOnce: this.renderOnce } = this.#views.api);
    const wall = { now: () => this.#clock.wall() };
    this.#tokens = new TokenAuthority(this.#storage, wall, room.report);
    this.#audit = new AuditLog(this.#storage, wall, room.report);
    this.stores = operatorStores(this.#operatorRoom());
    this.tokens = operatorTokens(this.#operatorRoom());
    this.#seeds = new Seeds(new Signer(options.secret), this.#records);
    const desk = recordDesk(this.#recordRoom(room));
    this.transact = desk.transact;
    ({ record: this.record, publish: this.publish, syncHandler: this.syncHandler } = desk);
    ({ source: this.source, invalidateSource: this.invalidateSource } = desk);
    this.#access = new Access({
      tokens: { authenticate: patient((by) => this.#tokens.authenticate(by), this.#clock) },
      now: () => this.#clock.wall(),
      heard: (principal) => this.#rates.heard(principal),
      ...(options.authenticate && { authenticate: patient(options.authenticate, this.#clock) }),
    });
    this.#sockets = new Sockets(this.#socketRoom(room), ({ headers }) =>
      allowsOrigin(options.origins ?? [], { origin: headers.origin, host: headers.host }),
    );
    addGauges(this.#parts(), version);
    this.#http = this.#createHttp(desk.mounted);
    this.#listener = new Listener(this.#http, this.#clock);
    this.#compactor = new Compactor({ ...room, stores: this.#openStores }, retention);
    this.#armExpiry();
    this.#files.collector.start();
    this.#webhooks.start();
  }

  listen(at: { readonly port?: number; readonly host?: string } = {}): Promise<ServerAddress> {
    return this.#listener.listen(at, this.#log);
  }

  serve(connection: Socket): void {
    this.#listener.serve(connection);
  }

  inProcess(principal: AddedPrincipal): InProcess {
    const serve = this.serve.bind(this);
    return inProcess({ access: this.#access, seeds: this.#seeds, serve }, principal);
  }

  describe(): ServerDescription {
    const stores = [...this.#openStores.open()];
    return {
      sockets: this.#sockets.size,
      unsentBytes: this.#sockets.unsentBytes,
      stores: stores.map((host) => Object.assign({ name: host.row.name }, host.describe())),
      queries: this.#sockets.queries,
      views: this.#views.roots.describe(),
    };
  }

  close(options: Parameters<Server['close']>[0] = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs, options.retryAfterMs);
    return this.#closing;
  }

  async #close(graceMs = 0, retryAfterMs = RETRY_AFTER_MS): Promise<void> {
    this.#draining = true;
    this.#closingSignal.abort();
    this.#unmeter();
    this.#clock.clearTimeout(this.#expiryTimer);
    this.#compactor.stop();
    this.#sockets.stopReading();
    await this.#views.roots.drain(graceMs);
    await this.#openStores.close();
    await this.#sockets.drain(retryAfterMs);
    this.#presence.close();
    this.#views.close();
    await Promise.all([this.#files.collector.stop(), this.#webhooks.stop()]);
    // Last, so that those who ask whether the server is ready hear that it drains (stores.md §19.2).
    await this.#listener.stop();
    await this.#storage.close();
  }

  #door(): StoreDoor {
    return doorTo(this.#openStores, () => (this.#numbers += 1));
  }

  #fault(fault: RecordFault): void {
    this.#failed({ ...fault, err: fault.error }, 'a record failed');
    const failed = (err: unknown): void => this.#failed({ err }, 'onError failed');
    call(() => this.#options.onError?.(fault), failed);
  }

  #failed(details: object, what: string): void {
    this.#meters.errors.add();
    this.#log.error(details, what);
  }

  #operatorRoom(): OperatorRoom {
    return {
      storage: this.#storage,
      tokens: this.#tokens,
      audit: this.#audit,
      now: () => this.#clock.wall(),
      archived: (id) => this.#archived(id),
      purged: (id) => this.#openStores.reopen(id),
      revoked: () => this.#sockets.recheckSoon(),
    };
  }

  #hostRoom(): HostRoom {
    return {
      storage: this.#storage,
      bus: this.#options.bus ?? memoryBus(),
      clock: this.#clock,
      limits: this.#limits,
      ...this.#quotas,
      gateOf: (row) => this.#records.gateOf(row),
      meters: this.#meters,
      slow: slowLog(this.#options.slowCommitMs, this.#log),
      appended: (result) => this.#readiness.appended(result),
      report: (what, error) => this.#failed({ err: error }, what),
      stopped: ({ id }) => this.#stopped(id),
    };
  }

  /** Its clients join again, and get the store as it was stored; so do views. */
  #stopped(id: string): void {
    this.#sockets.shutStore(id);
    if (this.#draining) return;
    this.#openStores
      .reopen(id)
      .catch((error: unknown) => this.#failed({ err: error }, 'a store was not reopened'));
  }

  #recordRoom(room: HostRoom): DeskRoom {
    return {
      ...room,
      ...this.#door(),
      seeds: this.#seeds,
      records: this.#records,
      closing: this.#closingSignal.signal,
      files: this.#files,
      newId: randomUUID,
      sync: this.#options.sync,
      tell: (fault) => this.#fault(fault),
    };
  }

  #socketRoom(room: HostRoom): Omit<SocketRoom, 'crowd'> {
    return {
      ...room,
      stores: this.#openStores,
      access: this.#access,
      rates: this.#rates,
      files: this.#files,
      audit: this.#audit,
      flusher: new Flusher(this.#meters, () => this.#clock.now()),
      deflate: this.#options.deflate ?? false,
      snapshots: new Snapshots(),
      seeds: this.#seeds,
      fanouts: new Fanouts(),
      presence: this.#presence,
      ...this.#views,
      nextNumber: () => (this.#numbers += 1),
      veilOf: (principal, host) => this.#records.veilIn(principal, host),
      recordOf: ({ row }, name) => this.#records.find(row.name, name),
    };
  }

  #createHttp(records: MountedRecords): HttpServer {
    const { quotas } = this.#quotas;
    const app = createHttp({
      storage: this.#storage,
      ...this.#door(),
      clock: this.#clock,
      closing: this.#closingSignal.signal,
      access: this.#access,
      records,
      veilOf: (principal, store) => this.#records.veilIn(principal, store),
      rates: this.#rates,
      files: this.#files,
      webhooks: this.#webhooks,
      tokens: this.#tokens,
      audit: this.#audit,
      version,
      ready: () => this.#readiness.ask(this.#draining),
      draining: () => this.#draining,
      now: () => this.#clock.wall(),
      newId: randomUUID,
      newIncarnation: randomUUID,
      onStoreArchived: (id) => this.#archived(id),
      onStorePurged: (id) => this.#openStores.reopen(id),
      onTokenRevoked: () => this.#sockets.recheckSoon(),
      onFailure: (err, told) => this.#failed({ err, ...told }, 'a request failed'),
      limits: this.#limits,
      meters: this.#meters,
      tellsMetrics: this.#options.metrics ?? true,
      ...(this.#options.oauth && { oauth: this.#options.oauth }),
      figures: () => figuresOf(this.#parts(), this.#since),
      ...this.#quotas,
      ...(quotas?.stores !== undefined && { storesMax: quotas.stores }),
      origins: this.#options.origins ?? [],
      statusOf: (id, asker) =>
        storeFigures(
          {
            ...this.#parts(),
            storage: this.#storage,
            veilOf: (who, host) => this.#records.veilIn(who, host),
          },
          id,
          asker,
        ),
      ...(this.#options.console !== undefined && { consoleDirectory: this.#options.console }),
      ...(this.#options.site !== undefined && { site: this.#options.site }),
    });
    return httpServer(app.fetch, this.#options.headersTimeoutMs).on('upgrade', this.upgrade);
  }

  #parts(): Parts {
    return {
      stores: this.#openStores,
      sockets: this.#sockets,
      presence: this.#presence,
      webhooks: this.#webhooks,
      meters: this.#meters,
      clock: this.#clock,
    };
  }

  async #archived(id: string): Promise<void> {
    await this.#openStores.archive(id);
    this.#sockets.shutStore(id);
  }

  /** Stores whose time has come are archived well within the 60 s of stores.md §1.1.3. */
  #armExpiry(): void {
    this.#expiryTimer = this.#clock.setTimeout(() => {
      expireStores(this.#operatorRoom())
        .catch((error: unknown) => this.#failed({ err: error }, 'expiry failed'))
        .finally(() => this.#draining || this.#armExpiry());
    }, EXPIRY_SWEEP_MS);
  }
}
