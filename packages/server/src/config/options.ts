import { type Authenticate, withAdmin } from '../access/index.ts';
import type { LogLevel } from '../json-log.ts';
import type { ServerOptions } from '../server-options.ts';
import type { Blobs } from '../blobs/index.ts';
import { diskBlobs } from '../blobs/disk.ts';
import type { Value } from './kinds.ts';
import { ConfigError, type Effective } from './resolve.ts';

/** Where a server is to listen. */
export type ListenAt = { readonly host: string; readonly port: number };

/** Where the settings say to listen. */
export function listenAt(effective: Effective): ListenAt {
  return { host: String(effective.get('host')), port: Number(effective.get('port')) };
}

/** The least that the settings want logged. */
export function levelOf(effective: Effective): LogLevel {
  const level = effective.get('log.level');
  return level === 'error' || level === 'silent' ? level : 'info';
}

/**
 * The options of the server that the settings describe; whoever asks adds the log and the console. Rejects with a
 * {@link ConfigError} where files go to a bucket that cannot be spoken to.
 */
export async function optionsOf(effective: Effective): Promise<ServerOptions> {
  const { enabled = true, ...rates } = effective.group('rates');
  const slow = effective.get('slowCommitMs');
  const files = await filesOf(effective);
  const { allow } = effective.group('webhooks');
  const resource = effective.get('oauth.resource');
  const authorizationServers = textsOf(effective.get('oauth.authorizationServers'));
  const authenticate = authenticateOf(effective);
  return {
    data: String(effective.get('data')),
    origins: textsOf(effective.get('origins')),
    metrics: effective.get('metrics') === true,
    deflate: effective.get('deflate') === true,
    slowCommitMs: typeof slow === 'number' ? slow : false,
    retention: numbersOf(effective.group('retention')),
    quotas: numbersOf(effective.group('quotas')),
    limits: numbersOf(effective.group('limits')),
    rates: enabled === true && numbersOf(rates),
    webhooks: { allow: textsOf(allow ?? null), http: effective.get('webhooks.http') === true },
    ...(typeof resource === 'string' && { oauth: { resource, authorizationServers } }),
    ...(files !== null && { files }),
    ...(authenticate !== null && { authenticate }),
  };
}

function authenticateOf(effective: Effective): Authenticate | null {
  const token = effective.get('admin.token');
  const orgs = textsOf(effective.get('admin.orgs'));
  const { authenticate } = effective;
  return typeof token === 'string' ? withAdmin({ token, orgs }, authenticate) : authenticate;
}

async function filesOf(effective: Effective): Promise<Blobs | null> {
  const directory = effective.get('files.directory');
  if (typeof directory === 'string') return diskBlobs({ directory });
  const bucket = effective.get('files.s3.bucket');
  if (typeof bucket !== 'string') return null;
  // The SDK is large, and few need it.
  const { S3Client } = await import('@aws-sdk/client-s3').catch((error: unknown) => {
    throw unlessInstalled(error);
  });
  const { s3Blobs } = await import('../blobs/s3.ts');
  const s3 = textsIn(effective.group('files.s3'));
  const { region, endpoint, prefix, accessKeyId, secretAccessKey } = s3;
  const client = new S3Client({
    forcePathStyle: effective.get('files.s3.pathStyle') === true,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && { credentials: { accessKeyId, secretAccessKey } }),
  });
  // Else the first file would be the first to hear of it.
  await client.config.region().catch(() => {
    throw lacking('files.s3.region, or AWS_REGION where the SDK is to find it');
  });
  return s3Blobs({ client, bucket, ...(prefix !== undefined && { prefix }) });
}

function unlessInstalled(error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  if (error.code !== 'ERR_MODULE_NOT_FOUND') return error;
  return lacking('the package @aws-sdk/client-s3: npm install @aws-sdk/client-s3');
}

function lacking(what: string): ConfigError {
  return new ConfigError('files.s3.bucket', 'files.s3.bucket', `files.s3.bucket needs ${what}.`);
}

function numbersOf(group: { readonly [key: string]: Value }): { readonly [key: string]: number } {
  return Object.fromEntries(
    Object.entries(group).flatMap(([key, value]) =>
      typeof value === 'number' ? [[key, value]] : [],
    ),
  );
}

function textsIn(group: { readonly [key: string]: Value }): { readonly [key: string]: string } {
  return Object.fromEntries(
    Object.entries(group).flatMap(([key, value]) =>
      typeof value === 'string' ? [[key, value]] : [],
    ),
  );
}

function textsOf(value: Value | null): readonly string[] {
  return typeof value === 'object' && value !== null ? value : [];
}
