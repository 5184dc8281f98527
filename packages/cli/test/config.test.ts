import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cli, type Row, start } from './harness.ts';

const slow = { timeout: 120_000 };
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function write(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

function find(rows: readonly Row[], setting: string): Row | undefined {
  return rows.find((row) => row['setting'] === setting);
}

test(
  'flags win over variables, variables over the file, the file over the defaults',
  slow,
  async () => {
    const path = await write(
      'holdfast.config.ts',
      `export default { port: 1, host: 'from-file', data: 'from-file', retention: { ms: '2d' } } satisfies object;`,
    );
    const env = { HOLDFAST_PORT: '2', HOLDFAST_HOST: 'from-env', HOLDFAST_CONFIG: path };
    const { code, rows } = await cli(['config', '--port', '3'], { env });
    expect(code).toBe(0);
    expect(find(rows, 'port')).toEqual({
      setting: 'port',
      value: 3,
      origin: 'flag',
      place: '--port',
    });
    expect(find(rows, 'host')).toMatchObject({ value: 'from-env', place: 'HOLDFAST_HOST' });
    expect(find(rows, 'data')).toMatchObject({ value: 'from-file', place: path });
    expect(find(rows, 'retention.ms')).toMatchObject({ value: 2 * 86_400_000, origin: 'file' });
    expect(find(rows, 'retention.ops')).toMatchObject({ value: 10_000, origin: 'default' });
    const changed = await cli(['config', '--changed', '--port', '3'], { env });
    expect(changed.rows.map(({ setting }) => setting)).toEqual([
      'host',
      'port',
      'data',
      'retention.ms',
    ]);
  },
);

test('no secret is shown', slow, async () => {
  const env = {
    HOLDFAST_FILES_S3_BUCKET: 'b',
    HOLDFAST_FILES_S3_ENDPOINT: 'https://user:hunter2@s3.example',
    HOLDFAST_FILES_S3_ACCESS_KEY_ID: 'k',
    HOLDFAST_FILES_S3_SECRET_ACCESS_KEY: 'hunter2',
  };
  const { stdout, rows } = await cli(['config'], { env });
  expect(find(rows, 'files.s3.secretAccessKey')).toMatchObject({ value: '[hidden]' });
  expect(find(rows, 'files.s3.endpoint')).toMatchObject({ value: 'https://[hidden]@s3.example' });
  expect(stdout).not.toContain('hunter2');
});

test.each([
  ['a value that does not fit', 'export default { port: 70000 };', 'port', 'from 0 to 65535'],
  ['an unknown key', 'export default { prot: 1 };', 'prot', 'no setting'],
  [
    'an unknown limit',
    'export default { limits: { max_value: 1 } };',
    'limits.max_value',
    'limits.max_value_bytes',
  ],
  [
    'an origin with a path',
    "export default { origins: ['https://app.example.org/'] };",
    'origins',
    'as browsers write them',
  ],
  [
    'an origin without a scheme',
    "export default { origins: ['app.example'] };",
    'origins',
    'https',
  ],
  ['a group that is none', 'export default { limits: 5 };', 'limits', 'an object'],
  ['a limit of nothing', 'export default { limits: { max_depth: 0 } };', 'limits.max_depth', '1'],
  [
    'a token of the operator that may be guessed',
    "export default { admin: { token: 'secret', orgs: ['acme'] } };",
    'admin.token',
    'must be 32 to 512 letters',
  ],
  [
    'a token of the operator for no org',
    `export default { admin: { token: '${'a'.repeat(32)}' } };`,
    'admin.token',
    'needs admin.orgs',
  ],
  [
    'a token of the operator for a list of no orgs',
    `export default { admin: { token: '${'a'.repeat(32)}', orgs: [] } };`,
    'admin.orgs',
    'one or more names of orgs',
  ],
  [
    'orgs for no token of the operator',
    "export default { admin: { orgs: ['acme'] } };",
    'admin.orgs',
    'needs admin.token',
  ],
  [
    'half a key of a bucket',
    "export default { files: { s3: { bucket: 'b', region: 'eu', accessKeyId: 'k' } } };",
    'files.s3.accessKeyId',
    'needs files.s3.secretAccessKey',
  ],
  [
    'a bucket of no region',
    "export default { files: { s3: { bucket: 'b' } } };",
    'files.s3.bucket',
    'needs files.s3.region',
  ],
  ['nothing at all', 'export const port = 1;', 'default', 'export an object'],
  ['what is no program', 'export default {', 'holdfast.config.mjs', 'cannot be read'],
])('serve is not started with %s, and names it', slow, async (_name, text, key, words) => {
  const path = await write('holdfast.config.mjs', text);
  const refused = await cli(['serve', '--config', path, '--json']);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.error['message']).toContain(key);
  expect(refused.error['message']).toContain(words);
});

test('a variable that is unknown or does not fit is named', slow, async () => {
  const misspelt = await cli(['serve', '--json'], { env: { HOLDFAST_PROT: '1' } });
  expect(misspelt.error['message']).toContain('HOLDFAST_PROT');
  const unfit = await cli(['serve', '--json'], { env: { HOLDFAST_METRICS: 'maybe' } });
  expect(unfit.error['message']).toBe(
    'metrics (HOLDFAST_METRICS) must be true or false, not "maybe".',
  );
  // A service of Kubernetes by the name of holdfast.
  const env = { HOLDFAST_PORT: 'tcp://10.0.0.1:80', HOLDFAST_SERVICE_HOST: '10.0.0.1' };
  const linked = await cli(['config'], { env });
  expect(find(linked.rows, 'port')).toMatchObject({ value: 4400, origin: 'default' });
});

test('a configuration in TypeScript sets what the server does', slow, async () => {
  const path = await write(
    'holdfast.config.ts',
    `type Port = number;
     const port: Port = 0;
     export default {
       port, metrics: false, log: { level: 'silent' }, data: ${JSON.stringify(directory)},
       limits: { max_value_bytes: 10 }, rates: { enabled: false }, quotas: { stores: 1 },
       authenticate: async ({ token }: { token: string | null }) => token !== 'mine' ? null : {
         subject: 'me', orgs: ['acme'], scopes: new Set(['stores:create', 'entries:write', 'entries:read']),
         storeAccess: { mode: 'all' }, expiresAt: null, tokenId: null,
       },
     };`,
  );
  const server = await start('serve', ['--config', path]);
  try {
    const env = { HOLDFAST_URL: server.url, HOLDFAST_TOKEN: 'mine' };
    expect((await cli(['stores', 'create', 'acme/app'], { env })).code).toBe(0);
    expect((await cli(['put', 'acme/app', 'a', '1'], { env })).code).toBe(0);
    const more = await cli(['stores', 'create', 'acme/more'], { env });
    expect(more.error).toMatchObject({ code: 'limit_exceeded' });
    const large = await cli(['put', 'acme/app', 'a', '"0123456789"', '--json'], { env });
    expect(large.error).toMatchObject({ code: 'value_too_large' });
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
  } finally {
    await server.stop();
  }
});
