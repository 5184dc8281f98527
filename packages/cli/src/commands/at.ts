import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listEntries } from '../entries.ts';
import { pageArgs, readPage, showEntries } from '../reading.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'List the entries as they were at a seq.',
  args: {
    store: storeArg,
    seq: { type: 'positional', description: 'The seq; "holdfast log" shows them' },
    pattern: { type: 'positional', default: '**', description: 'Which paths, as for "entries"' },
    ...pageArgs,
    ...connectionArgs,
  },
  examples: ["holdfast at demo/main 120 'users/**'"],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const atSeq = readInteger(args.seq, 'SEQ');
    const listing = { ...readPage(args), pattern: args.pattern, atSeq };
    showEntries(output, await listEntries(endpointOf(args, terminal), name, listing));
  },
});
