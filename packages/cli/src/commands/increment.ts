import { command } from '../command.ts';
import { misuse } from '../failure.ts';
import { storeArg } from '../store-name.ts';
import { commitWrite, pathArg, readFence, writeArgs } from '../writing.ts';

export default command({
  summary: 'Add to a number; nothing counts as 0. Concurrent increments add up.',
  args: {
    store: storeArg,
    path: pathArg,
    by: { type: 'positional', default: '1', description: 'How much; may be negative' },
    ...writeArgs,
  },
  examples: ['holdfast increment demo/main visits', 'holdfast increment demo/main stock/apples -3'],
  async run(args, around) {
    const by = args.by.trim() === '' ? Number.NaN : Number(args.by);
    if (!Number.isFinite(by)) throw misuse(`BY must be a number, not "${args.by}".`);
    await commitWrite('increment', args, {
      ...around,
      write: (store) => store.increment(args.path, by, readFence(args.fence)),
    });
  },
});
