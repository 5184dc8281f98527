import {
  type Codec,
  jsonCodec,
  type OpId,
  type RejectedError,
  type Request,
  utf8Length,
} from '@holdfast/protocol';
import { type OutboxLimits, outboxMax } from '@holdfast/engine/replica';
import type { Cache, Migrate } from './cache/port.ts';
import { call, type Report } from './cell.ts';
import { type ClientEnv, platformEnv } from './env.ts';
import type { Link } from './link/port.ts';
import { checkOptions, type OptionKinds } from './mistakes.ts';
import { type WebSocketClass, webSocketLink } from './link/websocket.ts';
import type { PresencesPlug } from './presence/plug.ts';
import type { RecordsPlug } from './records/plug.ts';
import type { Seat } from './tabs/seat.ts';
import type { ViewsPlug } from './views/plug.ts';

/**
 * A token, or what gives one: asked at every connect, and once more after the server refused one, which it is told then
 * (stores.md §18 C18). One that cannot reach where it asks rejects as `fetch` does, or with an error whose `retry` is `later`
 * such as `new HoldfastError('unavailable')`, and is asked again; each other failure after a refusal says that there is no
 * other token.
 */
export type TokenSource = string | ((refused?: string) => string | Promise<string>);

/** Names and values that go into the URL of a connection; what Holdfast puts there itself wins. */
export type ConnectParams = { readonly [name: string]: string };

/** A write that an application makes. */
export type MadeWrite = { readonly store: string; readonly opId: OpId; readonly request: Request };

/** A write that was refused and whose receipt nobody has awaited. */
export type RejectedWrite = {
  readonly store: string;
  readonly opId: OpId;
  /** Absent where it was made before a restart. */
  readonly request?: Request;
  readonly error: RejectedError;
};

/** How the tabs of an origin share what a client is made of: what `tabs()` of `@holdfast/client/tabs` gives. */
export type TabsPlug = (settings: Settings) => Settings;

/** Something that a client had of a store and may no longer read: it is gone, from the cache too. */
export type Revocation = {
  readonly store: string;
  /** What of the store was here. */
  readonly patterns: readonly string[];
  /** Why none of it may be read; null where a part of it still may. */
  readonly error: RejectedError | null;
};

/** How a client is made. */
export type ClientOptions = {
  /** Where the server is, such as `wss://example.org`; a path is kept in front of the server's own. */
  readonly url: string;
  /** Null: the cookies that the browser sends say who it is. */
  readonly token: TokenSource | null;
  /** What else the server's `authenticate` is told with each connection and each request, or what gives it, each time. */
  readonly params?: ConnectParams | (() => ConnectParams | Promise<ConnectParams>);
  /** Names this installation, at most 64 bytes; by default what the browser keeps for it, else drawn at random. */
  readonly deviceId?: string;
  /** A WebSocket class, where the platform has none (Node before 22). */
  readonly webSocket?: WebSocketClass;
  /** Default: JSON. */
  readonly codec?: Codec;
  /** Default: WebSockets; and HTTP for the writes of records that come by a transport. */
  readonly link?: Link;
  /** Keeps entries and unanswered writes; default: nothing is kept. */
  readonly cache?: Cache;
  /** Whose stores they are: what a cache keeps for one principal is nothing to another. */
  readonly principal?: string;
  /**
   * What becomes of a store that the server has made anew, such as from a backup: by default it takes what is there now;
   * `close`: it is left with `stale_incarnation`, until it is asked for again. Own writes wait for that.
   */
  readonly onIncarnation?: 'resync' | 'close';
  /** Limits on the unanswered writes of a store; beyond them writes are refused with `outbox_full`. */
  readonly outboxMax?: Partial<OutboxLimits>;
  /** The version of the application's data, which queued writes carry. */
  readonly schemaVersion?: string | number;
  /** Makes a queued write of another version one of the present; null: it becomes a dead letter. Pure: it may be asked again. */
  readonly migrate?: Migrate;
  /** Shares connection and cache with the other tabs of this origin: `tabs()` of `@holdfast/client/tabs`. */
  readonly tabs?: TabsPlug;
  /** Records: `records([…])` of `@holdfast/client/records`. */
  readonly records?: RecordsPlug;
  /** Presence: `presences()` of `@holdfast/client/presence`. */
  readonly presences?: PresencesPlug;
  /** Views: `views()` of `@holdfast/client/views`. */
  readonly views?: ViewsPlug;
  /**
   * False for a client that renders one page on a server, and is closed when the response has ended (registry.md §11): no
   * timer waits for what nobody uses any more.
   */
  readonly timers?: boolean;
  /** Parts of the platform to replace. */
  readonly env?: Partial<ClientEnv>;
  /** Hears of each write as it is made, before it is sent. */
  readonly onWrite?: (write: MadeWrite) => void;
  /** Hears of each write that was refused and whose receipt nobody has awaited. */
  readonly onRejected?: (rejection: RejectedWrite) => void;
  /** Hears that rights were lost. */
  readonly onRevoked?: (revocation: Revocation) => void;
  /** Hears of failures that have no caller: callbacks that throw, token sources that fail. Default: reported to the platform. */
  readonly onError?: (error: unknown) => void;
};

/** {@link ClientOptions}, checked, with every default. */
export type Settings = Pick<
  ClientOptions,
  | 'params'
  | 'onIncarnation'
  | 'records'
  | 'presences'
  | 'views'
  | 'onWrite'
  | 'onRejected'
  | 'onRevoked'
> & {
  readonly endpoint: string;
  readonly whoami: string;
  readonly principal: string;
  readonly token: TokenSource | null;
  /** Drawn at first; the one that the cache has kept from when it is {@link Settings.identified}. */
  deviceId: string;
  /** Comes before the first connection; null: nothing is to be waited for. */
  identified: Promise<void> | null;
  readonly codec: Codec;
  readonly link: Link;
  readonly cache: Cache | null;
  readonly outboxMax: OutboxLimits;
  readonly tabs: Seat | null;
  readonly timers: boolean;
  readonly env: ClientEnv;
  readonly report: Report;
};

const kinds: { readonly [Name in keyof Required<ClientOptions>]: OptionKinds[string] } = {
  url: 'string',
  token: 'string or function or null',
  params: 'object or function',
  deviceId: 'string',
  webSocket: 'function',
  codec: 'object',
  link: 'object',
  cache: 'object',
  principal: 'string',
  outboxMax: 'object',
  schemaVersion: 'string or number',
  migrate: 'function',
  tabs: 'function',
  records: 'object',
  presences: 'object',
  views: 'object',
  timers: 'boolean',
  onIncarnation: ['close', 'resync'],
  env: 'object',
  onWrite: 'function',
  onRejected: 'function',
  onRevoked: 'function',
  onError: 'function',
};

/** Checks the options of `createClient` and fills in the defaults. */
export function settingsOf(options: ClientOptions): Settings {
  checkOptions('createClient', options, kinds);
  for (const name of ['url', 'token'] as const) {
    if (options[name] === undefined) throw new TypeError(`createClient needs a "${name}".`);
  }
  const { url, principal = '', cache = null, timers = true, onError = warn, ...others } = options;
  const env = envOf(options);
  // It cannot fail, and never ends the process by a rejection.
  const report: Report = (error) => call(() => onError(error), warn);
  const settings: Settings = {
    ...others,
    ...endpointsOf(url),
    principal,
    deviceId: deviceIdOf(options.deviceId, env),
    identified: null,
    ...lineOf(options, env, report),
    cache,
    outboxMax: outboxMaxOf(options.outboxMax),
    tabs: null,
    timers,
    env,
    report,
  };
  const whole = options.tabs?.(settings) ?? settings;
  whole.identified = whole.cache?.keeping.identify(whole, options) ?? null;
  return whole;
}

function envOf({ link, env, params }: ClientOptions): ClientEnv {
  const fetch = link?.fetch;
  const whole: ClientEnv = { ...platformEnv, ...(fetch && { fetch }), ...env };
  if (params === undefined) return whole;
  return {
    ...whole,
    // What the URL of a socket says, requests say by a header: some routes refuse parameters that are not theirs.
    fetch: async (url, init) => {
      const headers = new Headers(init.headers);
      const given = typeof params === 'function' ? await params() : params;
      headers.set('holdfast-params', new URLSearchParams(given).toString());
      return whole.fetch(url, { ...init, headers });
    },
  };
}

function lineOf(
  { codec = jsonCodec, link, records, webSocket }: ClientOptions,
  env: ClientEnv,
  report: Report,
): Pick<Settings, 'codec' | 'link'> {
  if (link === undefined) {
    const sockets = webSocketLink({ webSocket });
    return { codec, link: records?.link?.({ link: sockets, codec, env, report }) ?? sockets };
  }
  if (webSocket === undefined) return { codec, link };
  throw new TypeError('createClient: "webSocket" has no use beside "link".');
}

function outboxMaxOf(given: ClientOptions['outboxMax'] = {}): OutboxLimits {
  checkOptions('outboxMax', given, { requests: 'number', bytes: 'number' });
  const { requests = outboxMax.requests, bytes = outboxMax.bytes } = given;
  if (requests >= 1 && bytes >= 1) return { requests, bytes };
  throw new RangeError('outboxMax must be at least 1.');
}

function deviceIdOf(given: string | undefined, env: ClientEnv): string {
  if (given === undefined) return env.deviceId();
  const bytes = utf8Length(given);
  if (bytes >= 1 && bytes <= 64 && !/^(system|http|web|mcp):/.test(given)) return given;
  throw new TypeError('createClient: "deviceId" has 1 to 64 bytes and no reserved prefix.');
}

function endpointsOf(text: string): { readonly endpoint: string; readonly whoami: string } {
  // What is secure is wss or https, what is not ws or http.
  const [, secure, place = ''] = /^(?:ws|http)(s?):\/\/([^/?#]+[^?#]*)$/.exec(text) ?? [];
  if (secure === undefined || !URL.canParse(text)) {
    throw new TypeError(`createClient: "url" is like wss://example.org, not "${text}".`);
  }
  const base = place.replace(/(\/(ws\/sync|socket)\/websocket)?\/*$/, '');
  return {
    endpoint: `ws${secure}://${base}/ws/sync/websocket`,
    whoami: `http${secure}://${base}/api/whoami`,
  };
}

function warn(error: unknown): void {
  // oxlint-disable-next-line no-console -- nobody asked to hear of it, and it must not vanish
  console.error('holdfast:', error);
}
