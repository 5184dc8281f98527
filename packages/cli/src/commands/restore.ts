import { restore } from '@holdfast/server/backup';
import { type Command, defineCommand } from '../command.ts';
import { counted, printable } from '../output.ts';
import { stepsOn } from './backup.ts';

export const command: Command = defineCommand({
  summary:
    'Make a data directory out of a backup. Clients notice that the stores are others, and follow; what was written after the backup is lost.',
  args: {
    backup: { type: 'positional', description: 'The directory that "holdfast backup" made' },
    data: {
      type: 'string',
      valueHint: 'DIR',
      required: true,
      description: 'Where the data is to be; a directory without data',
    },
  },
  examples: ['holdfast restore /backups/2026-03-31 --data /var/lib/holdfast'],
  async run(args, around) {
    const { madeAt, stores, files, missing } = await restore({
      from: args.backup,
      to: args.data,
      onStep: stepsOn(around),
    });
    around.output.record({ data: args.data, made_at: madeAt, stores, files, missing }, (paint) =>
      [
        `${paint.green('✓')} ${counted(stores, 'store')} and ${counted(files, 'file')} in ${printable(args.data)}, as of ${madeAt}`,
        ...missing.map((hash) => `${paint.yellow('!')} ${hash} is named, and not in the backup`),
      ].join('\n'),
    );
  },
});
