import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { listOf, textOf } from '../fields.ts';
import { printable } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Tell why your token may, or may not, read or write a path.',
  args: {
    store: storeArg,
    path: pathArg,
    op: {
      type: 'string',
      valueHint: 'OP',
      default: 'read',
      description: 'read, or the op of a write, such as set or delete',
    },
    ...connectionArgs,
  },
  examples: [
    'holdfast explain demo/main users/ann',
    'holdfast explain demo/main users/ann --op set',
  ],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const query = queryOf({ path: args.path, op: args.op });
    const answer = await callApi(
      endpointOf(args, terminal),
      `/api/stores/${name}/explain?${query}`,
      { says: { allowed: 'boolean', checks: 'list' } },
    );
    output.record(answer, (paint) => {
      const verdict = answer['allowed'] === true ? 'yes' : 'no';
      const lines = listOf(answer['checks']).map(({ check, ok, detail }) => {
        const mark = markOf(ok).padEnd(7);
        return `${mark}  ${textOf(check).padEnd(6)}  ${printable(textOf(detail))}`;
      });
      return [
        `${textOf(answer['op'])} ${printable(args.path)}: ${paint.bold(verdict)}`,
        ...lines,
      ].join('\n');
    });
  },
});

function markOf(ok: unknown): string {
  if (ok === true) return 'ok';
  return ok === false ? 'no' : 'unknown';
}
