import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import S3rver from '@20minutes/s3rver';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

/** A server that speaks S3, with the bucket `files`. */
export type BucketServer = { readonly client: S3Client; close(): Promise<void> };

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
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: 'files' }));
  return {
    client,
    async close() {
      client.destroy();
      await server.close();
      rmSync(home, { recursive: true });
    },
  };
}
