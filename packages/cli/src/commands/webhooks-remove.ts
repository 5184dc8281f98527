import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { hookArg, hookPath } from '../hooks.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Remove a webhook: nothing more is sent.',
  args: { store: storeArg, id: hookArg, ...connectionArgs },
  examples: ['holdfast webhooks remove demo/main 4b6f0c1e-…'],
  async run(args, { output, terminal }) {
    const path = hookPath(readStoreName(args.store), args.id);
    await callApi(endpointOf(args, terminal), path, { method: 'DELETE', says: { ok: 'true' } });
    output.record(
      { id: args.id, removed: true },
      (paint) => `${paint.green('✓')} ${printable(args.id)} is removed.`,
    );
  },
});
