import { isPlainObject } from '@holdfast/protocol';
import { type Command, defineCommand } from '../command.ts';
import { misuse } from '../failure.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { readValue } from '../values.ts';
import { commitWrite, pathArg, readFence, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Write some members of a map; its other members stay.',
  args: {
    store: storeArg,
    path: pathArg,
    value: { type: 'positional', description: 'A JSON object, or - to read standard input' },
    ...fenceArg,
    ...connectionArgs,
  },
  examples: [`holdfast merge demo/main users/ann '{"age":32}'`],
  async run(args, around) {
    const value = await readValue({ value: args.value, string: false }, around.terminal);
    if (!isPlainObject(value)) {
      throw misuse('merge needs a JSON object.', `Such as '{"age":32}'; "put" writes any value.`);
    }
    await commitWrite('merge', args, {
      ...around,
      write: (store) => store.merge(args.path, value, readFence(args.fence)),
    });
  },
});
