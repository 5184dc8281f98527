import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure } from '../failure.ts';
import { dataArg, withStorage } from '../offline.ts';
import { printable } from '../output.ts';

export const command: Command = defineCommand({
  summary: 'Take a token back: who uses it is out within seconds.',
  args: {
    id: { type: 'positional', description: 'The id that "holdfast tokens" shows' },
    data: dataArg,
    ...connectionArgs,
  },
  examples: ['holdfast tokens revoke 4b6f0c1e-…'],
  async run(args, { output, terminal }) {
    if (args.data === undefined) {
      const path = `/api/tokens/${encodeURIComponent(args.id)}`;
      await callApi(endpointOf(args, terminal), path, {
        method: 'DELETE',
        says: { ok: 'true' },
      });
    } else {
      await revokeOffline(args.id, args.data);
    }
    output.record(
      { id: args.id, revoked: true },
      (paint) => `${paint.green('✓')} ${printable(args.id)} is revoked.`,
    );
  },
});

function revokeOffline(id: string, data: string): Promise<void> {
  return withStorage(data, { create: false }, async (storage) => {
    if (await storage.tokens.revoke(id, storage.now())) return;
    throw new Failure('not_found', `There is no token ${id}.`, {
      hint: `"holdfast tokens --data ${data}" lists them.`,
    });
  });
}
