import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listOf } from '../fields.ts';
import { hookOf } from '../hooks.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'List the webhooks of a store, and how far they have come.',
  args: { store: storeArg, ...connectionArgs },
  examples: ['holdfast webhooks demo/main'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const path = `/api/stores/${name}/webhooks`;
    const { webhooks } = await callApi(endpointOf(args, terminal), path, {
      says: { webhooks: 'list' },
    });
    const rows = listOf(webhooks).map(hookOf);
    if (rows.length === 0) output.note('There is none. "holdfast webhooks create" makes one.');
    output.table(rows, [
      { title: 'URL', cell: ({ url }) => url, shrinks: true },
      { title: 'PATTERNS', cell: ({ patterns }) => patterns.join(' '), shrinks: true },
      { title: 'OPS', cell: ({ ops }) => ops?.join(',') ?? 'all' },
      { title: 'SEQ', cell: ({ delivered }) => String(delivered), align: 'right' },
      { title: 'STATE', cell: ({ active, failures }) => stateOf(active, failures) },
      { title: 'ID', cell: ({ id }) => id },
    ]);
    for (const { id, inactive_reason: reason, next_attempt: next } of rows) {
      if (reason !== null) output.note(`${id} is inactive: ${reason}`);
      if (next !== null) output.note(`${id} is tried again at ${next}`);
    }
  },
});

function stateOf(isActive: boolean, failures: number): string {
  if (!isActive) return 'inactive';
  return failures === 0 ? 'active' : `failed ${failures}×`;
}
