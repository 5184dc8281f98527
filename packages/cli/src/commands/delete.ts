import { type Command, defineCommand } from '../command.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { commitWrite, matchArg, pathArg, readFence, readMatch, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Remove what is at a path and all below it.',
  args: { store: storeArg, path: pathArg, ...matchArg, ...fenceArg, ...connectionArgs },
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
