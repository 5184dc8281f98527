import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { listOf } from '../fields.ts';
import { logColumns, loggedOp } from '../logged.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Show what happened, newest first.',
  args: {
    store: storeArg,
    path: { type: 'string', valueHint: 'PATTERN', description: 'Only at this path or pattern' },
    op: { type: 'string', valueHint: 'OP', description: 'Only this op, such as set or delete' },
    device: { type: 'string', valueHint: 'ID', description: 'Only by this device' },
    since: {
      type: 'string',
      valueHint: 'INSTANT',
      description: 'Not before, such as 2026-01-31T12:00:00Z',
    },
    until: { type: 'string', valueHint: 'INSTANT', description: 'Not after' },
    limit: {
      type: 'string',
      valueHint: 'N',
      default: '50',
      description: 'At most so many, up to 1000',
    },
    before: {
      type: 'string',
      valueHint: 'SEQ',
      description: 'Only before this seq: the next page',
    },
    ...connectionArgs,
  },
  examples: [
    "holdfast log demo/main --path 'users/*' --limit 10",
    'holdfast log demo/main --op delete --since 2026-01-01T00:00:00Z',
  ],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const limit = readInteger(args.limit, '--limit', { min: 1, max: 1000 });
    const query = queryOf({
      path: args.path,
      op: args.op,
      device_id: args.device,
      since: args.since,
      until: args.until,
      // Without it the server would count all there is.
      before_seq: args.before ?? Number.MAX_SAFE_INTEGER,
      limit,
    });
    const { ops } = await callApi(endpointOf(args, terminal), `/api/stores/${name}/log?${query}`, {
      says: { ops: 'list' },
    });
    const rows = listOf(ops).map(loggedOp);
    output.table(rows, logColumns);
    const last = rows.at(-1);
    if (last === undefined) output.note('Nothing matches.');
    else if (rows.length === limit && last.seq > 1) {
      output.aside({ next: last.seq }, () => `More follow: --before ${last.seq}`);
    }
  },
});
