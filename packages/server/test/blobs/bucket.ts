import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import S3rver from '@20minutes/s3rver';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

/** A server that speaks S3, with the bucket `files`. */
export type BucketServer = {
  readonly endpoint: string;
  readonly client: S3Client;
  close(): Promise<void>;
};

/** A client of such a server. */
export function clientOf(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    forcePathStyle: true,
  });
}

/** Starts one over a directory of its own. */
export async function startBucket(): Promise<BucketServer> {
  const home = mkdtempSync(join(tmpdir(), 'holdfast-s3-'));
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    directory: home,
    silent: true,
    // How requests are signed is the SDK's business.
    allowMismatchedSignatures: true,
  });
  server.logger.silent = true;
  const { port } = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  const client = clientOf(endpoint);
  await client.send(new CreateBucketCommand({ Bucket: 'files' }));
  return {
    endpoint,
    client,
    async close() {
      client.destroy();
      await server.close();
      rmSync(home, { recursive: true });
    },
  };
}
