import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { hookArg, hookPath } from '../hooks.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Deliver again what a webhook has passed, in order.',
  args: {
    store: storeArg,
    id: hookArg,
    after: { type: 'string', valueHint: 'SEQ', description: 'Everything after this seq' },
    ...connectionArgs,
  },
  examples: ['holdfast webhooks replay demo/main 4b6f0c1e-… --after 1200'],
  async run(args, { output, terminal }) {
    if (args.after === undefined) {
      throw misuse('From where on?', 'Give --after SEQ; --after 0 is all that the log retains.');
    }
    const after = readInteger(args.after, '--after');
    const path = hookPath(readStoreName(args.store), args.id, 'replay');
    const body = { after_seq: after };
    await callApi(endpointOf(args, terminal), path, {
      method: 'POST',
      body,
      says: { after_seq: 'number' },
    });
    output.record(
      { id: args.id, after },
      (paint) => `${paint.green('✓')} What came after seq ${after} is delivered again.`,
    );
  },
});
