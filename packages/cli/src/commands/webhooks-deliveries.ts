import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listOf, textOf } from '../fields.ts';
import { hookArg, hookPath } from '../hooks.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Show what a webhook was sent in the last 7 days, newest first.',
  args: {
    store: storeArg,
    id: hookArg,
    limit: {
      type: 'string',
      valueHint: 'N',
      default: '50',
      description: 'At most so many, up to 100',
    },
    ...connectionArgs,
  },
  examples: ['holdfast webhooks deliveries demo/main 4b6f0c1e-… --limit 10'],
  async run(args, { output, terminal }) {
    const limit = readInteger(args.limit, '--limit', { min: 1, max: 100 });
    const path = `${hookPath(readStoreName(args.store), args.id, 'deliveries')}?limit=${limit}`;
    const { deliveries } = await callApi(endpointOf(args, terminal), path, {
      says: { deliveries: 'list' },
    });
    const rows = listOf(deliveries).map((row) => ({
      seq: row['store_seq'] ?? null,
      at: textOf(row['attempted_at']),
      status: row['status_code'] ?? null,
      ms: row['response_ms'] ?? null,
      error: row['error'] ?? null,
      id: textOf(row['id']),
    }));
    output.table(rows, [
      { title: 'SEQ', cell: ({ seq }) => textOf(seq), align: 'right' },
      { title: 'AT', cell: ({ at }) => at },
      { title: 'STATUS', cell: ({ status }) => (status === null ? '–' : textOf(status)) },
      { title: 'MS', cell: ({ ms }) => (ms === null ? '–' : textOf(ms)), align: 'right' },
      { title: 'ERROR', cell: ({ error }) => (error === null ? '' : textOf(error)), shrinks: true },
    ]);
    if (rows.length === 0) output.note('Nothing was sent in the last 7 days.');
  },
});
