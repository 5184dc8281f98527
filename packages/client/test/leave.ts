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
  process.once('exit', () => console.log(`exited ${performance.now() - start}`));
  void client.close();
});
console.log('started');
