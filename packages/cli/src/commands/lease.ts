import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { ttlArg } from '../leasing.ts';
import { showLease } from '../leasing.ts';
import { withStore } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readDuration } from '../values.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Acquire a lease; its token fences writes (--fence KEY:TOKEN).',
  args: {
    store: storeArg,
    path: pathArg,
    ttl: ttlArg,
    holder: { type: 'string', valueHint: 'TEXT', description: 'Who holds it, for others to see' },
    ...connectionArgs,
  },
  examples: ['holdfast lease demo/main jobs/nightly --ttl 5m --holder "$HOSTNAME"'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const ttl = readDuration(args.ttl, '--ttl');
    const holder = args.holder !== undefined && { holder: args.holder };
    // It outlives this process.
    const options = { ttl, heartbeat: false, ...holder };
    await withStore(
      endpointOf(args, terminal),
      { name, scope: [], output },
      async (store, within) => {
        const lease = await within(store.lease(args.path, options), 'the lease was not answered');
        showLease(output, lease);
      },
    );
  },
});
