import { command } from '../command.ts';
import { storeArg } from '../store-name.ts';
import { commitWrite, matchArg, pathArg, readFence, readMatch, writeArgs } from '../writing.ts';

export default command({
  summary: 'Remove what is at a path and all below it.',
  args: { store: storeArg, path: pathArg, ...matchArg, ...writeArgs },
  examples: [
    'holdfast delete demo/main users/ann',
    'holdfast delete demo/main users/ann --if-match 17',
  ],
  async run(args, around) {
    const options = { ...readMatch(args['if-match']), ...readFence(args.fence) };
    await commitWrite('delete', args, {
      ...around,
      write: (store) => store.delete(args.path, options),
    });
  },
});
