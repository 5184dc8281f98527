import { type Command, defineCommand } from '../command.ts';
import { connectionArgs } from '../endpoint.ts';
import { storeArg } from '../store-name.ts';
import { readValue, valueArgs } from '../values.ts';
import { commitWrite, matchArg, pathArg, readFence, readMatch, fenceArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Write a value in place of whatever is at the path and below it.',
  args: {
    store: storeArg,
    path: pathArg,
    value: { type: 'positional', description: 'JSON, or - to read standard input' },
    ...valueArgs,
    ...matchArg,
    'if-absent': { type: 'boolean', description: 'Only if nothing is there' },
    ...fenceArg,
    ...connectionArgs,
  },
  examples: [
    `holdfast put demo/main users/ann '{"name":"Ann","age":31}'`,
    'holdfast put demo/main greeting "Hello, world" --string',
    'holdfast put demo/main config - < config.json',
    'holdfast put demo/main users/ann/age 32 --if-match 17',
  ],
  async run(args, around) {
    const value = await readValue(args, around.terminal);
    const options = {
      ...readMatch(args['if-match']),
      ...(args['if-absent'] && { ifAbsent: true }),
      ...readFence(args.fence),
    };
    await commitWrite('put', args, {
      ...around,
      write: (store) => store.put(args.path, value, options),
    });
  },
});
