import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readDuration } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Make a store.',
  args: {
    store: storeArg,
    ttl: {
      type: 'string',
      valueHint: 'DURATION',
      description: 'Archive it after so long, such as 7d',
    },
    ...connectionArgs,
  },
  examples: ['holdfast stores create acme/app', 'holdfast stores create acme/preview-42 --ttl 7d'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const ttlMs = args.ttl === undefined ? undefined : readDuration(args.ttl, '--ttl');
    const { store } = await callApi(endpointOf(args, terminal), '/api/stores', {
      method: 'POST',
      body: { name, ...(ttlMs !== undefined && { ttl_ms: ttlMs }) },
      says: { store: { id: 'text', full_name: 'text' } },
    });
    output.record({ ...toRecord(store), name }, (paint) => `${paint.green('✓')} ${name} is there.`);
  },
});

function toRecord(store: unknown): object {
  return typeof store === 'object' && store !== null ? store : {};
}
