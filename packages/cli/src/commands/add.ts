import { type Command, defineCommand } from '../command.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { readValue, valueArgs } from '../values.ts';
import { commitWrite, pathArg, readFence, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Add a member to a set; one that is there already is there once.',
  args: {
    store: storeArg,
    path: pathArg,
    value: { type: 'positional', description: 'The member: JSON, or - to read standard input' },
    ...valueArgs,
    ...fenceArg,
    ...connectionArgs,
  },
  examples: ['holdfast add demo/main users/ann/tags admin --string'],
  async run(args, around) {
    const member = await readValue(args, around.terminal);
    await commitWrite('add', args, {
      ...around,
      write: (store) => store.add(args.path, member, readFence(args.fence)),
    });
  },
});
