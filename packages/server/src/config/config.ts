import type { Limits } from '@holdfast/protocol';
import type { Authenticate, RateLimits } from '../access/index.ts';
import type { LogRetention } from '../host/compactor.ts';
import type { ServerQuotas } from '../limits.ts';
import type { WebhookOptions } from '../webhooks/index.ts';

/** What `holdfast.config.ts` holds: every setting of `holdfast serve`, all of them optional. */
export type Config = {
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 4400; 0 picks a free one. */
  readonly port?: number;
  /** Directory of the data. Default: `./data`. */
  readonly data?: string;
  /** Browser origins besides the server's own, such as `https://app.example`; `*` admits all. */
  readonly origins?: readonly string[];
  /** A token of at least 32 characters with all rights in these orgs, to make the first others with; both or neither. */
  readonly admin?: { readonly token: string; readonly orgs: readonly string[] };
  /** Where agents get tokens for `/mcp`; both or neither. */
  readonly oauth?: { readonly resource: string; readonly authorizationServers: readonly string[] };
  /** Whether the web console is served at `/`. Default: yes. */
  readonly console?: boolean;
  /** Whether `/metrics` answers. Default: yes. */
  readonly metrics?: boolean;
  /** Whether WebSocket messages are compressed for clients that ask for it. Default: no. */
  readonly deflate?: boolean;
  readonly log?: { readonly level?: 'info' | 'error' | 'silent' };
  /** Commits that take longer are logged; milliseconds, or a text such as `2s`. Default: 1000. */
  readonly slowCommitMs?: number | string | false;
  /** Where the bytes of files are kept: in a directory, or in a bucket that speaks S3. */
  readonly files?: { readonly directory: string } | { readonly s3: S3Config };
  /** How long ops stay in the log; `ms` may be a text such as `30d`. */
  readonly retention?: { readonly ms?: LogRetention['ms'] | string; readonly ops?: number };
  readonly quotas?: ServerQuotas;
  readonly webhooks?: WebhookOptions;
  /** `enabled: false` limits nobody. */
  readonly rates?: Partial<RateLimits> & { readonly enabled?: boolean };
  /** Overrides of the limits of docs/protocol.md. */
  readonly limits?: Partial<Limits>;
  /** Maps credentials to a principal, besides issued tokens (stores.md §11.1). */
  readonly authenticate?: Authenticate;
};

/** A bucket; without keys, the AWS SDK looks for them where it always does. */
export type S3Config = {
  readonly bucket: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly prefix?: string;
  readonly pathStyle?: boolean;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
};

/** Does nothing but tell the editor what a configuration may hold. */
export function defineConfig(config: Config): Config {
  return config;
}
