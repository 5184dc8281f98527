import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Delete a store with all it holds, for good.',
  args: {
    store: storeArg,
    yes: { type: 'boolean', description: 'Yes, delete it: nothing brings it back' },
    ...connectionArgs,
  },
  examples: ['holdfast stores purge acme/app --yes'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    if (!args.yes) {
      throw misuse(
        `This would delete ${name} with all it holds.`,
        `Add --yes if that is what you want. "holdfast stores archive ${name}" closes it and keeps the data.`,
      );
    }
    await callApi(endpointOf(args, terminal), `/api/stores/${name}?purge=true`, {
      method: 'DELETE',
      says: { ok: 'true' },
    });
    output.record({ name, status: 'purged' }, (paint) => `${paint.green('✓')} ${name} is gone.`);
  },
});
