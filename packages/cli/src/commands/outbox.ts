import { type Command, defineCommand } from '../command.ts';
import { cacheArg, outboxesIn, writesOf } from '../kept.ts';

export const command: Command = defineCommand({
  summary: 'List the writes that an application keeps and that are not decided.',
  args: {
    file: cacheArg,
    dead: {
      type: 'boolean',
      description: 'Only those that were refused, or whose outcome nobody knows',
    },
  },
  examples: ['holdfast outbox ./cache.db', 'holdfast outbox ./cache.db --dead --json'],
  async run({ file, dead }, { output }) {
    const rows = outboxesIn(file)
      .flatMap(writesOf)
      .filter(({ state }) => !dead || state === 'dead');
    output.table(rows, [
      { title: 'STORE', cell: ({ store }) => store },
      { title: 'STATE', cell: ({ state }) => state },
      { title: 'OP', cell: ({ op }) => op ?? '?' },
      { title: 'PATH', cell: ({ path }) => path ?? '' },
      { title: 'REASON', cell: ({ reason }) => reason ?? '' },
      { title: 'MADE', cell: ({ made }) => made },
      { title: 'OP ID', cell: ({ op_id: id }) => id },
    ]);
    if (rows.length === 0) output.note('Nothing waits, and nothing was refused.');
  },
});
