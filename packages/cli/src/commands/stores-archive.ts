import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Close a store: nobody joins or writes it any more, and its data stays.',
  args: { store: storeArg, ...connectionArgs },
  examples: ['holdfast stores archive acme/app'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    await callApi(endpointOf(args, terminal), `/api/stores/${name}`, {
      method: 'DELETE',
      says: { ok: 'true' },
    });
    output.record(
      { name, status: 'archived' },
      (paint) => `${paint.green('✓')} ${name} is archived.`,
    );
  },
});
