import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listOf, textOf } from '../fields.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Show the figures of a store: entries, sequence, size, the latest writes.',
  args: { store: storeArg, ...connectionArgs },
  examples: ['holdfast status demo/main'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const status = await callApi(endpointOf(args, terminal), `/api/stores/${name}`);
    const figures: readonly (readonly [string, unknown])[] = [
      ['store', status['full_name']],
      ['status', status['status']],
      ['sequence', status['current_seq']],
      ['entries', status['entry_count']],
      ['size', size(status['db_size_bytes'])],
      ['oldest op', status['oldest_seq']],
      ['incarnation', status['incarnation']],
      ['created', status['inserted_at']],
      ['expires', status['expires_at'] ?? 'never'],
    ];
    output.record(status, (paint) => {
      const lines = figures.map(
        ([label, value]) => `${paint.dim(label.padEnd(11))}  ${printable(textOf(value))}`,
      );
      const latest = listOf(status['recent_ops']).map(
        (op) => `  ${textOf(op['store_seq'])} ${textOf(op['op'])} ${printable(textOf(op['path']))}`,
      );
      return [...lines, ...(latest.length > 0 ? [paint.dim('latest'), ...latest] : [])].join('\n');
    });
  },
});

function size(bytes: unknown): string {
  if (typeof bytes !== 'number') return 'unknown';
  return bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
