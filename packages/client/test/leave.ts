import { writeSync } from 'node:fs';
import { createClient } from '@holdfast/client';

// A program that uses a client, closes it when it is told to, and then has nothing left to do.
const [url = '', token = ''] = process.argv.slice(2);
const client = createClient({ url, token, onError: () => undefined });
const store = client.store('acme/app');
store.on('**', () => undefined);
store.put('k', 1);
process.stdin.once('data', () => {
  process.stdin.destroy();
  const start = performance.now();
  process.once('exit', () => writeSync(1, `exited ${performance.now() - start}\n`));
  void client.close();
});
writeSync(1, 'started\n');
