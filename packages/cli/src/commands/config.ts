import type { Resolved } from '@holdfast/server/config';
import { type Command, defineCommand } from '../command.ts';
import { configurationArgs, readConfiguration } from '../configuration.ts';

export const command: Command = defineCommand({
  summary:
    'Show the settings that "holdfast serve" would take here, and where each comes from. Secrets are not shown.',
  args: {
    ...configurationArgs,
    changed: { type: 'boolean', description: 'Only what is not the default' },
  },
  examples: ['holdfast config', 'holdfast config --changed', 'HOLDFAST_PORT=80 holdfast config'],
  async run(args, { output, terminal }) {
    const { settings, authenticate } = await readConfiguration(args, terminal);
    const rows = settings.map(rowOf).filter(({ origin }) => !args.changed || origin !== 'default');
    output.table(rows, [
      { title: 'SETTING', cell: ({ setting }) => setting },
      {
        title: 'VALUE',
        cell: ({ value }) =>
          typeof value === 'string' ? value : (JSON.stringify(value ?? undefined) ?? '-'),
      },
      { title: 'FROM', cell: ({ origin, place }) => place ?? origin },
    ]);
    if (authenticate !== null) output.note('authenticate is a function of the file.');
  },
});

type Row = {
  readonly setting: string;
  readonly value: unknown;
  readonly origin: string;
  readonly place: string | null;
};

function rowOf({ setting, value, origin, place }: Resolved): Row {
  const shown = typeof value === 'string' ? withoutUser(value) : value;
  const told = setting.isSecret && value !== null ? '[hidden]' : shown;
  return { setting: setting.key, value: told, origin, place };
}

/** An address may hold a password. */
function withoutUser(text: string): string {
  return text.replace(/(:\/\/)[^/@\s]*@/, '$1[hidden]@');
}
