import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { textOf } from '../fields.ts';
import { hookOf } from '../hooks.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readList, readOptional, readSome } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Send every op from now on to a URL. The secret is shown this once only.',
  args: {
    store: storeArg,
    target: { type: 'positional', description: 'Where to: https://…', valueHint: 'URL' },
    patterns: {
      type: 'string',
      valueHint: 'PATTERNS',
      default: '**',
      description: 'Of these paths, such as orders/**,users/*',
    },
    ops: { type: 'string', valueHint: 'OPS', description: 'Of these ops only, such as set,delete' },
    ...connectionArgs,
  },
  examples: ["holdfast webhooks create demo/main https://example.org/hook --patterns 'orders/**'"],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const ops = readOptional(args.ops, (text) => readSome(text, '--ops', 'all ops are sent'));
    const body = {
      url: args.target,
      patterns: readList(args.patterns),
      ...(ops !== undefined && { ops }),
    };
    const path = `/api/stores/${name}/webhooks`;
    const made = await callApi(endpointOf(args, terminal), path, {
      method: 'POST',
      body,
      says: { id: 'text', url: 'text', secret: 'text' },
    });
    const hook = hookOf(made);
    const secret = textOf(made['secret']);
    output.record({ ...hook, secret }, (paint) =>
      [
        `${paint.green('✓')} ${printable(hook.url)} (${printable(hook.id)})`,
        '',
        `  ${paint.bold(printable(secret))}`,
        '',
        paint.dim('Keep it now: it is not shown again. The receiver checks signatures with it.'),
      ].join('\n'),
    );
  },
});
