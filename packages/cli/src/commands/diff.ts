import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { listOf, textOf } from '../fields.ts';
import { printable, shortValue } from '../output.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInteger, readOptional } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Show what differs between two seqs, leaf by leaf.',
  args: {
    store: storeArg,
    from: { type: 'positional', description: 'The seq before the first change' },
    to: {
      type: 'string',
      valueHint: 'SEQ',
      description: 'The seq of the last change (default: now)',
    },
    ...connectionArgs,
  },
  examples: ['holdfast diff demo/main 100', 'holdfast diff demo/main 100 --to 200 --json'],
  async run(args, { output, terminal }) {
    const name = readStoreName(args.store);
    const query = queryOf({
      from_seq: readInteger(args.from, 'FROM'),
      to_seq: readOptional(args.to, (text) => readInteger(text, '--to')),
    });
    const answer = await callApi(endpointOf(args, terminal), `/api/stores/${name}/diff?${query}`, {
      says: { changes: 'list' },
    });
    const changes = listOf(answer['changes']).map((change) => ({
      path: textOf(change['path']),
      before: change['before'],
      after: change['after'],
      before_type: change['before_type'],
      after_type: change['after_type'],
    }));
    for (const change of changes) {
      output.record(change, (paint) => {
        const { path, before, after } = change;
        const lines = [paint.cyan(printable(path))];
        if (change.before_type !== null) lines.push(paint.red(`- ${shortValue(before)}`));
        if (change.after_type !== null) lines.push(paint.green(`+ ${shortValue(after)}`));
        return lines.join('\n');
      });
    }
    if (changes.length === 0) output.note('Nothing differs.');
  },
});
