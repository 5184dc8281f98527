import { sqlite } from '@holdfast/client/cache/sqlite';
import { app, change, pending, termsOf } from './desk.ts';

/* Commits for ever, each time as many leaves as say the number of the commit, and says which are stored; until it is killed. */
const [file = ''] = process.argv.slice(2);
const cache = sqlite(file);
await cache.open?.(termsOf());
const image = await cache.load(app);
const after = image?.seq ?? 0;
for (let seq = after + 1; ; seq++) {
  const leaves = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`leaf${n}`, seq]));
  await cache.commit(app, change(seq, leaves, [pending(seq)]));
  process.stdout.write(`${seq}\n`);
}
