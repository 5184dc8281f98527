import { isObject } from '@holdfast/protocol';
import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, type Endpoint, endpointOf } from '../endpoint.ts';
import { listOf, textOf } from '../fields.ts';
import { counted, type Output, printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary:
    'Show the figures of a store: entries, sequence, size, the latest writes. Without one, those of the server, for tokens with the scope admin.',
  args: { store: { ...storeArg, required: false }, ...connectionArgs },
  examples: ['holdfast status demo/main', 'holdfast status'],
  async run(args, { output, terminal }) {
    if (args.store === undefined) return showServer(endpointOf(args, terminal), output);
    const name = readStoreName(args.store);
    const status = await callApi(endpointOf(args, terminal), `/api/stores/${name}`, {
      says: { full_name: 'text', current_seq: 'number' },
    });
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

async function showServer(endpoint: Endpoint, output: Output): Promise<void> {
  const server = await callApi(endpoint, '/api/server', {
    says: { version: 'text', stores: 'list' },
  });
  const channels = server['channels'];
  const joined = isObject(channels) ? channels['store'] : null;
  const figures: readonly (readonly [string, unknown])[] = [
    ['version', server['version']],
    ['ready', server['ready'] === true ? 'yes' : JSON.stringify(server['checks'])],
    ['up', `${Math.round(Number(server['uptime_ms']) / 1000)} s`],
    ['sockets', server['sockets']],
    ['channels', joined],
    ['commits', server['commits']],
    ['behind', counted(server['lag_ops'], 'op')],
    ['unsent', size(server['unsent_bytes'])],
  ];
  output.record(server, (paint) => {
    const lines = figures.map(
      ([label, value]) => `${paint.dim(label.padEnd(11))}  ${printable(textOf(value))}`,
    );
    const stores = listOf(server['stores']).map(
      (store) =>
        `  ${printable(textOf(store['name']))}  at ${textOf(store['head'])}, ${counted(store['leaves'], 'leaf', 'leaves')}, ${textOf(store['queued'])} queued`,
    );
    return [...lines, ...(stores.length > 0 ? [paint.dim('open stores'), ...stores] : [])].join(
      '\n',
    );
  });
}

function size(bytes: unknown): string {
  if (typeof bytes !== 'number') return 'unknown';
  return bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
