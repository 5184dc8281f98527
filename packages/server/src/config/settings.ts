import { defaultLimits } from '@holdfast/protocol';
import { defaultRates } from '../access/rate-limits.ts';
import { defaultRetention } from '../host/compactor.ts';
import {
  choice,
  duration,
  flag,
  integer,
  type Kind,
  list,
  longSecret,
  orgs,
  origins,
  orOff,
  text,
  type Value,
} from './kinds.ts';

/** One setting of a server: what it is called, what it may be, and what it is if nobody says. */
export type Setting = {
  /** Its place in the file, such as `limits.max_value_bytes`. */
  readonly key: string;
  readonly kind: Kind;
  /** null: none. */
  readonly fallback: Value | null;
  readonly says: string;
  /** It is never shown. */
  readonly isSecret: boolean;
};

function setting(
  key: string,
  [kind, fallback]: readonly [Kind, Value | null],
  says: string,
): Setting {
  return { key, kind, fallback, says, isSecret: false };
}

function secret(key: string, says: string, kind: Kind = text): Setting {
  return { key, kind, fallback: null, says, isSecret: true };
}

function numbers(group: string, defaults: { readonly [name: string]: number }): readonly Setting[] {
  return Object.entries(defaults).map(([name, fallback]) =>
    setting(`${group}.${name}`, [integer(1), fallback], 'See docs/protocol.md.'),
  );
}

/** Every setting of a server, in the order in which they are shown. */
export const settings: readonly Setting[] = [
  setting('host', [text, '127.0.0.1'], 'Address to listen on; 0.0.0.0 is all of them.'),
  setting('port', [integer(0, 65_535), 4400], 'Port; 0 picks a free one.'),
  setting('data', [text, './data'], 'Directory of the data.'),
  setting(
    'origins',
    [origins, []],
    'Web pages that may connect besides its own; `*` is all of them.',
  ),
  secret('admin.token', 'A token with all rights, to make the first others with.', longSecret),
  setting('admin.orgs', [orgs, []], 'The orgs that it is for.'),
  setting(
    'oauth.resource',
    [text, null],
    'The public address of /mcp, for agents that get tokens.',
  ),
  setting('oauth.authorizationServers', [list, []], 'Who gives them out.'),
  setting('console', [flag, true], 'Whether the web console is served.'),
  setting('metrics', [flag, true], 'Whether `/metrics` answers.'),
  setting('deflate', [flag, false], 'Whether WebSocket messages may be compressed.'),
  setting('log.level', [choice('info', 'error', 'silent'), 'info'], 'The least that is logged.'),
  setting('slowCommitMs', [orOff(duration), 1000], 'Commits that take longer are logged.'),
  setting('files.directory', [text, null], 'Where files are kept; default: `files` in `data`.'),
  setting('files.s3.bucket', [text, null], 'Keep files in this bucket instead.'),
  setting('files.s3.region', [text, null], 'Its region.'),
  setting('files.s3.endpoint', [text, null], 'Its address, where it is not Amazon’s.'),
  setting('files.s3.prefix', [text, null], 'Of all keys.'),
  setting('files.s3.pathStyle', [flag, false], 'Whether the bucket is named in the path.'),
  setting('files.s3.accessKeyId', [text, null], 'Default: what the AWS SDK finds.'),
  secret('files.s3.secretAccessKey', 'Belongs to the access key.'),
  setting('retention.ms', [duration, defaultRetention.ms], 'How long ops stay in the log.'),
  setting('retention.ops', [integer(1), defaultRetention.ops], 'And so many of each store.'),
  setting('quotas.keys', [integer(0), null], 'Leaves that a store may hold.'),
  setting('quotas.file_storage', [integer(0), null], 'Bytes of files that a store may name.'),
  setting('quotas.stores', [integer(0), null], 'Stores that an org may have.'),
  setting(
    'webhooks.allow',
    [list, []],
    'Hosts and ranges of your network that webhooks may reach.',
  ),
  setting('webhooks.http', [flag, false], 'Whether webhooks may go by plain http.'),
  setting('rates.enabled', [flag, true], 'Whether tokens are limited in how much they may do.'),
  ...numbers('rates', defaultRates),
  ...numbers('limits', defaultLimits),
];

/** The environment variable of a setting: `limits.max_value_bytes` is `HOLDFAST_LIMITS_MAX_VALUE_BYTES`. */
export function variableOf({ key }: Pick<Setting, 'key'>): string {
  const spaced = key.replaceAll(/([a-z])([A-Z])/g, '$1_$2').replaceAll('.', '_');
  return `HOLDFAST_${spaced.toUpperCase()}`;
}
