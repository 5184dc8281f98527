import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Make another store of the same org that begins as this one is now.',
  args: {
    store: storeArg,
    name: { type: 'positional', description: 'The new store, as org/name or name' },
    ...connectionArgs,
  },
  examples: ['holdfast clone acme/app acme/staging', 'holdfast clone acme/app staging'],
  async run(args, { output, terminal }) {
    const source = readStoreName(args.store);
    const { store } = await callApi(endpointOf(args, terminal), `/api/stores/${source}/clone`, {
      method: 'POST',
      body: { name: args.name },
      says: { store: { full_name: 'text', store_seq: 'number' } },
    });
    const made: Readonly<Record<string, unknown>> = Object(store);
    output.record({ ...made, name: made['full_name'], source }, (paint) =>
      [
        `${paint.green('✓')} ${printable(String(made['full_name']))} begins as ${source} was`,
        paint.dim(`at seq ${String(made['store_seq'])}`),
      ].join(' '),
    );
  },
});
