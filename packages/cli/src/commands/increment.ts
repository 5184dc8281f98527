import { type Command, defineCommand } from '../command.ts';
import { misuse } from '../failure.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { commitWrite, pathArg, readFence, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Add to a number; nothing counts as 0. Concurrent increments add up.',
  args: {
    store: storeArg,
    path: pathArg,
    by: { type: 'positional', default: '1', description: 'How much; may be negative' },
    ...fenceArg,
    ...connectionArgs,
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
