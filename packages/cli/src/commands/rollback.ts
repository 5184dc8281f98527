import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Go back to what was at a seq, by new writes: at a path and below it, or everywhere.',
  args: {
    store: storeArg,
    seq: { type: 'positional', description: 'The seq to go back to' },
    path: { type: 'string', valueHint: 'PATH', description: 'Only this path and what is below it' },
    all: { type: 'boolean', description: 'The whole store' },
    ...connectionArgs,
  },
  examples: [
    'holdfast rollback demo/main 120 --path users/ann',
    'holdfast diff demo/main 120 && holdfast rollback demo/main 120 --all',
  ],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const toSeq = readInteger(args.seq, 'SEQ');
    if ((args.path === undefined) !== args.all) {
      throw misuse('Say what goes back: --path PATH, or --all for the whole store.');
    }
    const body = { to_seq: toSeq, ...(args.path !== undefined && { path: args.path }) };
    const url = `/api/stores/${name}/rollback`;
    const reply = await callApi(endpointOf(args, terminal), url, {
      method: 'POST',
      body,
      says: { store_seq: 'number' },
    });
    const what = args.path === undefined ? name : printable(args.path);
    const isNothing = reply['noop'] === true || reply['ops_written'] === 0;
    output.record({ op: 'rollback', to_seq: toSeq, path: args.path ?? null, ...reply }, (paint) =>
      isNothing
        ? paint.dim(`${what} is as it was at ${toSeq} already.`)
        : `${paint.green('✓')} ${what} is as it was at ${toSeq} ${paint.dim(`seq ${String(reply['store_seq'])}`)}`,
    );
  },
});
