import { openApi, readAnswer } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure } from '../failure.ts';
import { textOf } from '../fields.ts';
import { hookArg, hookPath } from '../hooks.ts';
import { readStoreName, storeArg } from '../store-name.ts';

export const command: Command = defineCommand({
  summary: 'Send a ping; one that is answered makes an inactive webhook active again.',
  args: { store: storeArg, id: hookArg, ...connectionArgs },
  examples: ['holdfast webhooks ping demo/main 4b6f0c1e-…'],
  async run(args, { output, terminal }) {
    const path = hookPath(readStoreName(args.store), args.id, 'ping');
    const endpoint = endpointOf(args, terminal);
    const response = await openApi(endpoint, path, {
      method: 'POST',
      signal: AbortSignal.timeout(endpoint.timeoutMs),
      alsoFine: 502,
    });
    const {
      ok,
      error,
      status_code: status,
      response_ms: ms,
    } = await readAnswer(response, endpoint, { says: { ok: 'boolean' }, alsoFine: 502 });
    if (ok !== true) {
      throw new Failure('refused', `The receiver did not take it: ${textOf(error)}.`, {
        code: 'ping_failed',
        hint: 'Answer with 2xx within 5 s. "holdfast webhooks deliveries" shows what was tried.',
      });
    }
    output.record(
      { ok: true, status, ms },
      (paint) => `${paint.green('✓')} Answered with ${String(status)} in ${String(ms)} ms.`,
    );
  },
});
