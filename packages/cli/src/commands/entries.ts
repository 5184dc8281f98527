import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listEntries, listPaths } from '../entries.ts';
import { misuse } from '../failure.ts';
import { pageArgs, readPage, showEntries, showNext } from '../reading.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'List the entries that match a pattern, in path order.',
  args: {
    store: storeArg,
    pattern: {
      type: 'positional',
      default: '**',
      description: '* is any one segment, ** at the end any number of them',
    },
    ...pageArgs,
    select: {
      type: 'string',
      valueHint: 'entries|keys|prefixes',
      default: 'entries',
      description: 'Entries, only their paths, or the paths of the next level',
    },
    ...connectionArgs,
  },
  examples: [
    "holdfast entries demo/main 'users/*/name'",
    "holdfast entries demo/main 'countries/**' --select prefixes --limit 20",
  ],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const page = readPage(args);
    const { select } = args;
    if (select !== 'entries' && select !== 'keys' && select !== 'prefixes') {
      throw misuse(`--select is entries, keys or prefixes, not "${select}".`);
    }
    const endpoint = endpointOf(args, terminal);
    const listing = { ...page, pattern: args.pattern };
    if (select === 'entries') {
      return showEntries(output, await listEntries(endpoint, name, listing));
    }
    const { items, next } = await listPaths(endpoint, name, { ...listing, select });
    output.table(
      items.map((path) => ({ path })),
      [{ title: 'PATH', cell: ({ path }) => path }],
    );
    showNext(output, next);
  },
});
