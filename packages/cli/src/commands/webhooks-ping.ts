import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { hookArg, hookPath } from '../hooks.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Send a ping; one that is answered makes an inactive webhook active again.',
  args: { store: storeArg, id: hookArg, ...connectionArgs },
  examples: ['holdfast webhooks ping demo/main 4b6f0c1e-…'],
  async run(args, { output, terminal }) {
    const path = hookPath(readStoreName(args.store), args.id, 'ping');
    const answer = await callApi(endpointOf(args, terminal), path, { method: 'POST' });
    const { status_code: status, response_ms: ms } = answer;
    output.record(
      { ok: true, status, ms },
      (paint) => `${paint.green('✓')} Answered with ${String(status)} in ${String(ms)} ms.`,
    );
  },
});
