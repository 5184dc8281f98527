import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure, hintFor } from '../failure.ts';
import { leaseTokenArg } from '../leasing.ts';
import { printable } from '../output.ts';
import { withStore } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Give a lease back before it expires.',
  args: { store: storeArg, path: pathArg, 'lease-token': leaseTokenArg, ...connectionArgs },
  examples: ['holdfast release demo/main jobs/nightly 42'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const token = readInteger(args['lease-token'], 'LEASE-TOKEN');
    const { path } = args;
    const released = await withStore(
      endpointOf(args, terminal),
      { name, scope: [], output },
      (store, within) =>
        within(
          store.leaseOf({ key: path, token }).then((lease) => lease.release()),
          'the lease was not answered',
        ),
    );
    if (!released) {
      const hint = hintFor('not_held');
      throw new Failure('held', `The lease ${path} is not held with the token ${token}.`, {
        code: 'not_held',
        ...(hint !== undefined && { hint }),
      });
    }
    output.record(
      { path, released },
      (paint) => `${paint.green('✓')} ${printable(path)} is released.`,
    );
  },
});
