import { backUp, type BackupStep } from '@holdfast/server/backup';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { counted, printable } from '../output.ts';
import { bytes, Progress } from '../progress.ts';

export const command: Command = defineCommand({
  summary:
    'Copy everything in a data directory, as it is at one instant, to another directory. Its server goes on meanwhile.',
  args: {
    directory: { type: 'positional', description: 'Where to; empty, or not there yet' },
    data: {
      type: 'string',
      valueHint: 'DIR',
      default: './data',
      description: 'The data directory of the server',
    },
  },
  examples: [
    'holdfast backup /backups/$(date +%F) --data /var/lib/holdfast',
    'holdfast backup /tmp/b --data ./data && tar -C /tmp/b -cz . > backup.tgz',
  ],
  async run(args, around) {
    const report = await backUp({
      from: args.data,
      to: args.directory,
      now: Date.now,
      onStep: stepsOn(around),
    });
    const { madeAt, stores, files, missing } = report;
    const size = report.databaseBytes + report.fileBytes;
    around.output.record(
      { directory: args.directory, made_at: madeAt, stores, files, size, missing },
      (paint) =>
        [
          `${paint.green('✓')} ${counted(stores, 'store')} and ${counted(files, 'file')} in ${printable(args.directory)} ${paint.dim(bytes(size))}`,
          ...missing.map((hash) => `${paint.yellow('!')} ${hash} is named, and was not there`),
        ].join('\n'),
    );
  },
});

/** Shows how far it is, part after part. */
export function stepsOn(around: Surroundings): (step: BackupStep) => void {
  const bars = new Map<BackupStep['part'], Progress>();
  return ({ part, doneBytes, totalBytes }) => {
    const bar =
      bars.get(part) ?? new Progress(around, { label: part, total: totalBytes, unit: 'bytes' });
    bars.set(part, bar);
    bar.show(doneBytes);
  };
}
