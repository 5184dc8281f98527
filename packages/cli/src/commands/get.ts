import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { readEntry } from '../entries.ts';
import { Failure } from '../failure.ts';
import { longValue, printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Show what is at a path: a leaf, or a map with all below it.',
  args: {
    store: storeArg,
    path: pathArg,
    raw: { type: 'boolean', description: 'Only the value; text without quotes' },
    ...connectionArgs,
  },
  examples: ['holdfast get demo/main users/ann', 'holdfast get demo/main greeting --raw'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const entry = await readEntry(endpointOf(args, terminal), name, args.path);
    if (entry === null) {
      throw new Failure('not_found', `Nothing is at ${args.path} in ${name}.`, {
        hint: `"holdfast entries ${name}" lists what there is.`,
      });
    }
    const { path, value, type, revision } = entry;
    if (args.raw) return output.text(typeof value === 'string' ? value : JSON.stringify(value));
    output.record({ path, value, type, revision }, (paint) =>
      [
        paint.dim(`${printable(path)}  ${printable(type)}  revision ${revision}`),
        longValue(value),
      ].join('\n'),
    );
  },
});
