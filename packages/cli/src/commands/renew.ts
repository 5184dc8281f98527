import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { leaseTokenArg, showLease, ttlArg } from '../leasing.ts';
import { withStore } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readDuration, readInteger } from '../values.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Extend a lease from now on; not_held if it was lost.',
  args: {
    store: storeArg,
    path: pathArg,
    'lease-token': leaseTokenArg,
    ttl: ttlArg,
    ...connectionArgs,
  },
  examples: ['holdfast renew demo/main jobs/nightly 42 --ttl 5m'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const token = readInteger(args['lease-token'], 'LEASE-TOKEN');
    const ttl = readDuration(args.ttl, '--ttl');
    await withStore(
      endpointOf(args, terminal),
      { name, scope: [], output },
      async (store, within) => {
        const lease = await store.leaseOf({ key: args.path, token });
        await within(lease.renew({ ttl }), 'the lease was not answered');
        showLease(output, lease);
      },
    );
  },
});
