import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { EpochMs, Limits } from '@holdfast/protocol';
import type { ViewLimits } from '@holdfast/protocol/views';
import { browserOrigin } from './access/origin.ts';
import type {
  Authenticate,
  AddedPrincipal,
  Principal,
  RateLimits,
  TokenRequest,
} from './access/index.ts';
import type { Blobs } from './blobs/index.ts';
import type { Bus } from './bus/port.ts';
import type { Clock } from './host/clock.ts';
import type { Retention } from './host/compactor.ts';
import type { ServerQuotas } from './limits.ts';
import type { RecordDesk, RecordFault, SyncOptions } from './records/index.ts';
import type { OAuthOptions, Site } from './http/index.ts';
import type { InProcess } from './socket/in-process.ts';
import type { Storage, StoreRow } from './storage/port.ts';
import type { AppDefinition } from './views/app.ts';
import type { ViewTelemetry } from './views/telemetry.ts';
import type { ViewsApi } from './views/open-views.ts';
import type { WebhookOptions } from './webhooks/index.ts';

/** Where a server writes what operators should know. A `pino` logger fits. */
export type ServerLog = {
  info(details: object, message: string): void;
  error(details: object, message: string): void;
};

/** How a server is put together. */
export type ServerOptions = {
  /** Directory of the SQLite files and of `files`; made if it is missing. Where `storage` is given, only of `files`. */
  readonly data?: string;
  /** Where everything is kept; the server closes it when it closes. */
  readonly storage?: Storage;
  /** Where the bytes of files are kept. Default: in the directory `files` of `data`; without `data`, in memory. */
  readonly files?: Blobs;
  /** Default: in process. */
  readonly bus?: Bus;
  /**
   * Maps credentials to a principal, or null; issued tokens are tried after it (stores.md §11.1). It is asked at every
   * upgrade and request, and again for each open socket every 2 s: about whom it says nothing within 5 s, open sockets
   * sooner, is not let in, and may come again.
   */
  readonly authenticate?: Authenticate;
  /** Overrides of `defaultLimits` (stores.md §12.1): bytes, milliseconds and counts, positive integers. */
  readonly limits?: Partial<Limits>;
  /**
   * How much each store may hold (stores.md §12.3): `keys`, its leaves; `file_storage`, the bytes of the distinct contents
   * that its files name; and how many `stores` an org may have by HTTP, archived ones included. Default: any amount.
   */
  readonly quotas?: ServerQuotas;
  /**
   * How long ops stay in the log, at least: `ms`, default 30 days, and the last `ops` of each store, default 10,000
   * (stores.md §13.1). `of` says otherwise for a store by its full name, such as `{ ms: 3_600_000, ops: 1000 }` for one of
   * positions; undefined: as for all.
   */
  readonly retention?: Partial<Retention>;
  /**
   * How much one token may do, instead of the defaults of stores.md §12.1; `false`: as much as it likes. An authenticator
   * may set others for a principal.
   */
  readonly rates?: Partial<RateLimits> | false;
  /**
   * Where webhooks may go besides public addresses by https (stores.md §17): `allow` names hosts, addresses and ranges of
   * your own network, `http: true` lets plain http pass.
   */
  readonly webhooks?: WebhookOptions;
  /**
   * Tells agents where they get tokens for `/mcp` (OAuth 2.1, RFC 9728); `authenticate` has to take those, as `jwt` does.
   * Default: agents are given tokens.
   */
  readonly oauth?: OAuthOptions;
  /** The app that clients use: its views, its records (views.md §11.1). */
  readonly app?: AppDefinition;
  /** How records are served at `/api/records`, for clients without a socket (records.md §8.1). */
  readonly sync?: SyncOptions;
  /** Whether a principal may ask for a root at all; it is asked before anything else of the join is looked at (views.md §4.1). */
  readonly onJoin?: (principal: Principal, payload: unknown) => unknown;
  /**
   * Signs the tokens of uploads, and what pages are rendered from; the first of several signs, all are taken. Who knows it can
   * forge both: 32 random bytes, as text. Default: one that ends with the process.
   */
  readonly secret?: string | readonly string[];
  /** Overrides of the limits and defaults of views (views.md §15). */
  readonly viewLimits?: Partial<ViewLimits>;
  /** Hears what is done for views (views.md §16). */
  readonly telemetry?: (event: ViewTelemetry) => void;
  /** Browser origins besides the server's own, such as `https://app.example`; `*` admits all. Default: none. */
  readonly origins?: readonly string[];
  /** The same by its longer name. */
  readonly allowedOrigins?: readonly string[];
  /**
   * How long a client may take until its request's headers are there; default 20,000. Bodies are ended where they stop
   * coming, whatever this says.
   */
  readonly headersTimeoutMs?: number;
  /**
   * The application's own pages, served at `/` to everybody: a directory, or more about one. What is below `/assets/` with
   * the hash of its content in its name is kept by browsers, all else is asked for anew, by its `ETag`.
   */
  readonly site?: Site;
  /** Directory of the built web console, served at `/` where there is no `site`. */
  readonly console?: string;
  /** Hears what fails in records and that nobody waits for: migrations, sources, rules (records.md §5). It is logged too. */
  readonly onError?: (fault: RecordFault) => void;
  /** Default: what fails goes to standard error, and nothing else is told. */
  readonly log?: ServerLog;
  /** Commits that take longer are told to the log. Default: 1000; `false`: none. */
  readonly slowCommitMs?: number | false;
  /** Whether `/metrics` answers (stores.md §19.2); it tells of no store and no token. Default: yes. */
  readonly metrics?: boolean;
  /**
   * Whether WebSocket messages of a KiB and more are compressed for clients that ask for it, as browsers do (stores.md
   * §7.1.1): less on the wire, for more work of both ends. Default: no.
   */
  readonly deflate?: boolean;
  /** Time and timers; for tests. Default: the system's. */
  readonly clock?: Clock;
};

/** Where a server can be reached. */
export type ServerAddress = { readonly host: string; readonly port: number; readonly url: string };

/** What a server has open. */
export type ServerDescription = {
  readonly sockets: number;
  readonly unsentBytes: number;
  readonly stores: readonly object[];
  /** How many queries of collections are evaluated, each for all who ask it. */
  readonly queries: number;
  readonly views: readonly object[];
};

/** A Holdfast server: stores over WebSocket, and the HTTP API around them. */
export type Server = ViewsApi & {
  /**
   * Starts to accept connections. Port 0, the default, picks a free one; the default host is loopback. Rejects with the
   * system's error where the port is taken, or the server listens already; with `closed` where it is closed by then.
   */
  listen(at?: { readonly port?: number; readonly host?: string }): Promise<ServerAddress>;
  /** Serves a connection that came by another way than `listen`: a listener of yours, a simulated network. */
  serve(connection: Socket): void;
  /**
   * Answers the WebSocket upgrade that came to an HTTP server of yours, such as the one that renders your pages:
   * `http.on('upgrade', server.upgrade)`.
   */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /**
   * Answers what else came to such a server and is not its own: the HTTP API, by which clients learn that they are not let
   * in and files travel, and the files of `site`.
   */
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * What a client in this process is made with, such as one that renders a page for a request:
   * `createClient({ ...server.inProcess(principal) })`. It has the rights of the principal, which the caller has
   * authenticated, and goes through everything that clients from outside go through, files included; `listen` is not needed. What is
   * rendered from it is vouched for (records.md §18). Throws a `TypeError` for what is no principal.
   */
  inProcess(principal: AddedPrincipal): InProcess;
  readonly stores: {
    /** Makes an active store; null if the name is taken. Throws `TypeError` for a name outside stores.md §1.1.1. */
    create(name: string, options?: { readonly expiresAt?: EpochMs }): Promise<StoreRow | null>;
    /** The store of this name, archived ones too; null if there is none. */
    find(name: string): Promise<StoreRow | null>;
    /** Closes the store's channels and refuses writes and joins from now on; the data stays. False: no such store. */
    archive(id: string): Promise<boolean>;
    /** Archives the store, then deletes it with its entries, log, webhooks and uploads, for good. False: no such store. */
    purge(id: string): Promise<boolean>;
  };
  readonly tokens: {
    /**
     * Issues a token; the raw text is told this once only. Throws `TypeError` for path rules and rates that are none and for
     * names of stores in place of ids, and `RangeError` for a rate that is no positive integer.
     */
    issue(request: TokenRequest): Promise<{ readonly id: string; readonly rawToken: string }>;
    /** Nobody gets in with it from now on; its sockets are closed at once (stores.md §11.3). False: no such token. */
    revoke(id: string): Promise<boolean>;
  };
  /**
   * Declares a record, with the server's part of it: from now on every write to its objects, by whatever way, passes its
   * gate (records.md §5). Records are declared before a store is opened, right after `createServer`; throws a `TypeError`
   * later, and for a second one of the same name or place.
   */
  readonly record: RecordDesk['record'];
  /**
   * Makes Web-standard handlers that serve records as server-sent events, to be mounted elsewhere than at this server's own
   * `/api/records` (records.md §8.1): `POST …/stream`, `GET ?key=…`, and `POST …/handshake`. Throws a `TypeError` where nothing says who may read.
   */
  readonly syncHandler: RecordDesk['syncHandler'];
  /** Serves a source by what computes it (records.md §15). Throws a `TypeError` unless there is exactly one policy. */
  readonly source: RecordDesk['source'];
  /** Has the source of these parameters run again, if somebody follows it. */
  readonly invalidateSource: RecordDesk['invalidateSource'];
  /**
   * Puts an envelope of every commit that changes an object of a record on a transport, for peers that read from there
   * (records.md §7); nothing is hidden from them. The returned function ends it. Throws a `TypeError` for a record whose
   * store has parameters.
   */
  readonly publish: RecordDesk['publish'];
  /**
   * Changes several objects of one store, all or nothing, as code of the server does: what the callback has looked at is still
   * so when its changes are committed. Where somebody else came first it is called again, so it must not wait for anything,
   * and do nothing else. Resolves to what it returns; what it throws commits nothing. With `ctx` it is judged as a write of
   * that principal. Rejects with `not_found` where there is no such store, with `unavailable` while the server closes, and with
   * what it is refused for.
   */
  readonly transact: RecordDesk['transact'];
  /** Plain data about what is open now, and what of it has not left for the sockets yet. */
  describe(): ServerDescription;
  /**
   * Takes nothing more from clients, gives the commands of views that it has taken `graceMs` to finish (default 0: they are
   * cut off), finishes accepted commits, tells clients to return after about `retryAfterMs` (default 1000), once they have
   * their answers or five seconds have passed, and lets go of everything, the storage included. Idempotent; afterwards the
   * server cannot be used again.
   */
  close(options?: { readonly graceMs?: number; readonly retryAfterMs?: number }): Promise<void>;
};

/** The names of {@link ServerOptions}. */
const optionNames: ReadonlySet<string> = new Set([
  'data',
  'storage',
  'files',
  'bus',
  'authenticate',
  'limits',
  'quotas',
  'rates',
  'retention',
  'webhooks',
  'app',
  'sync',
  'onJoin',
  'secret',
  'viewLimits',
  'telemetry',
  'origins',
  'allowedOrigins',
  'headersTimeoutMs',
  'console',
  'site',
  'log',
  'onError',
  'clock',
  'slowCommitMs',
  'metrics',
  'deflate',
  'oauth',
]);

/** The options, with origins by one name. Throws a `TypeError` for what is no option, or excludes another. */
export function checkOptions(options: ServerOptions): ServerOptions {
  for (const name of Object.keys(options)) {
    if (!optionNames.has(name)) throw new TypeError(`createServer has no option "${name}".`);
  }
  const { allowedOrigins, origins = allowedOrigins ?? [] } = options;
  if (allowedOrigins !== undefined && origins !== allowedOrigins) {
    throw new TypeError('createServer: "origins" and "allowedOrigins" are the same; give one.');
  }
  checkOrigins(origins);
  checkSecret(options.secret);
  if (options.console !== undefined && options.site !== undefined) {
    throw new TypeError('createServer: "console" and "site" are both served at "/"; give one.');
  }
  return { ...options, origins };
}

/** An empty one, as of a variable that says nothing, would have everybody sign. */
function checkSecret(secret: unknown = []): void {
  const secrets: unknown = typeof secret === 'string' ? [secret] : secret;
  const isGiven = Array.isArray(secrets) && !secrets.includes('');
  if (isGiven && secrets.every((each) => typeof each === 'string')) return;
  throw new TypeError(
    'createServer needs a "secret" that is a text and not empty, or a list of them.',
  );
}

/** Any other spelling would never be met: the page would be kept out, and nobody would know why. */
function checkOrigins(origins: unknown): void {
  if (!Array.isArray(origins)) throw new TypeError('createServer: "origins" must be a list.');
  for (const origin of origins) {
    const written = browserOrigin(String(origin));
    if (written === origin) continue;
    const instead = written === null ? 'such as "https://app.example.org"' : `"${written}"`;
    throw new TypeError(
      `createServer: "${String(origin)}" in "origins" is not as browsers write it, ${instead}.`,
    );
  }
}
