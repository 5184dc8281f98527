import { Failure, misuse } from './failure.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readDuration } from './values.ts';

/** The options by which a command finds its server. */
export const connectionArgs = {
  url: {
    type: 'string',
    valueHint: 'URL',
    description: 'Where the server is (HOLDFAST_URL; default http://127.0.0.1:4400)',
  },
  token: {
    type: 'string',
    valueHint: 'TOKEN',
    description: 'What opens it (HOLDFAST_TOKEN; default "dev" on this computer)',
  },
  timeout: {
    type: 'string',
    valueHint: 'DURATION',
    default: '10s',
    description: 'How long to wait for an answer',
  },
} as const;

/** A server, and the token to use there. */
export type Endpoint = {
  /** `http:` or `https:`, without a slash at the end. */
  readonly url: string;
  readonly token: string;
  readonly timeoutMs: number;
  /** Where it is told that the server is waited for. */
  readonly output: Output;
};

type ConnectionArgs = {
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly timeout: string;
  readonly json?: boolean;
};

/** A longer wait, which says for good, the platform takes for none at all. */
const timeoutMsMax = 2 ** 31 - 1;
const defaultUrl = 'http://127.0.0.1:4400';
/** Why there is no answer from a server that took the question. */
export const tooLong = 'it took too long';
const loopback = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** The endpoint that options and environment name, options first. */
export function endpointOf(args: ConnectionArgs, terminal: Terminal): Endpoint {
  const { env } = terminal;
  const url = readUrl(args.url ?? nonEmpty(env['HOLDFAST_URL']) ?? defaultUrl);
  const token = args.token ?? nonEmpty(env['HOLDFAST_TOKEN']) ?? defaultToken(url);
  if (token === null) {
    throw misuse(`${url.host} needs a token.`, 'Give --token, or set HOLDFAST_TOKEN.');
  }
  return {
    url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    token,
    timeoutMs: Math.min(readDuration(args.timeout, '--timeout'), timeoutMsMax),
    output: new Output(terminal, { json: args.json === true }),
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** `holdfast dev` opens itself to this computer, and to this token. */
function defaultToken(url: URL): string | null {
  return loopback.has(url.hostname) ? 'dev' : null;
}

function readUrl(text: string): URL {
  const http = text.replace(/^ws(?=s?:\/\/)/, 'http');
  const url = URL.canParse(http) ? new URL(http) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw misuse(
      `"${text}" is not the URL of a server.`,
      'It looks like https://sync.example.org.',
    );
  }
  url.pathname = url.pathname.replace(/\/(ws\/sync|socket)(\/websocket)?\/*$/, '');
  return url;
}

/** The failure of a server that does not answer. */
export function unreachable(endpoint: Endpoint, why: string): Failure {
  if (why === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return new Failure('offline', `What listens at ${endpoint.url} speaks no TLS.`, {
      code: 'unavailable',
      hint: 'Without a proxy that does, the URL begins with http:// (or ws://).',
    });
  }
  const hint =
    why === tooLong
      ? 'It may be busy, or be opening a large store: --timeout 5m waits longer.'
      : 'Is the server running there? "npx holdfast dev" starts one; --url or HOLDFAST_URL names another.';
  return new Failure('offline', `No answer from ${endpoint.url}: ${why}.`, {
    code: 'unavailable',
    hint,
  });
}
