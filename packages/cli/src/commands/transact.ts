import { readFile } from 'node:fs/promises';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { counted } from '../output.ts';
import { commitOnce } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readInput, type Terminal } from '../terminal.ts';
import { readTransaction } from '../transaction.ts';
import { readJson } from '../values.ts';
import { fenceArg, readFence } from '../writing.ts';

export const command: Command = defineCommand({
  summary: 'Do several writes, all or nothing.',
  args: {
    store: storeArg,
    file: {
      type: 'positional',
      default: '-',
      description:
        'A JSON array of ops, or an object {"ops":[…],"preconditions":[…]}; or a file with it; - is standard input',
    },
    ...fenceArg,
    ...connectionArgs,
  },
  examples: [
    `holdfast transact demo/main '[{"op":"put","path":"a","value":1},{"op":"delete","path":"b"}]'`,
    `echo '[{"op":"put","path":"a","value":1},{"op":"increment","path":"n","value":2}]' | holdfast transact demo/main`,
    `echo '{"ops":[{"op":"delete","path":"a"}],"preconditions":[{"path":"a","equals":1}]}' | holdfast transact demo/main`,
  ],
  async run(args, { output, terminal }) {
    const text = await readSource(args.file, terminal);
    const collect = readTransaction(readJson(text, '"holdfast help transact" shows examples.'));
    const { fence } = readFence(args.fence);
    const name = readStoreName(args.store);
    const commit = await commitOnce(endpointOf(args, terminal), { name, output }, (store) =>
      store.transact((tx) => {
        if (fence !== undefined) tx.fence(fence);
        collect(tx);
      }),
    );
    const seqs = (commit.results ?? []).map((result) => result.store_seq);
    output.record(
      { op: 'transact', seq: commit.seq, ops: seqs.length, seqs },
      (paint) =>
        `${paint.green('✓')} ${counted(seqs.length, 'op')} ${paint.dim(`seq ${commit.seq}`)}`,
    );
  },
});

async function readSource(file: string, terminal: Terminal): Promise<string> {
  if (file === '-') return readInput(terminal);
  if (/^\s*[[{]/.test(file)) return file;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw misuse(
      `The file cannot be read (${why}).`,
      '"holdfast help transact" shows what may be given.',
    );
  }
}
