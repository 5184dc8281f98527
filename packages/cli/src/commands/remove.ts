import { type Command, defineCommand } from '../command.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { readValue, valueArgs } from '../values.ts';
import { commitWrite, pathArg, readFence, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Remove a member from a set.',
  args: {
    store: storeArg,
    path: pathArg,
    value: { type: 'positional', description: 'The member: JSON, or - to read standard input' },
    ...valueArgs,
    ...fenceArg,
    ...connectionArgs,
  },
  examples: ['holdfast remove demo/main users/ann/tags admin --string'],
  async run(args, around) {
    const member = await readValue(args, around.terminal);
    await commitWrite('remove', args, {
      ...around,
      write: (store) => store.remove(args.path, member, readFence(args.fence)),
    });
  },
});
