import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listEntries } from '../entries.ts';
import { pageArgs, readPage, showEntries } from '../reading.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'List the entries from one path on, up to another, which is left out.',
  args: {
    store: storeArg,
    from: { type: 'positional', description: 'The first path' },
    to: { type: 'positional', description: 'The path after the last' },
    ...pageArgs,
    ...connectionArgs,
  },
  examples: ['holdfast range demo/main log/2026-01 log/2026-02'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const page = readPage(args);
    const listing = { ...page, from: args.from, to: args.to };
    const list = await listEntries(endpointOf(args, terminal), name, listing);
    showEntries(output, list);
  },
});
