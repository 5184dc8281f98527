import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { listOf, textOf } from '../fields.ts';

export const command: Command = defineCommand({
  summary: 'List the stores that the token may use.',
  args: connectionArgs,
  examples: ['holdfast stores', 'holdfast stores --json | jq -r .name'],
  async run(args, { output, terminal }) {
    const { stores } = await callApi(endpointOf(args, terminal), '/api/stores', {
      says: { stores: 'list' },
    });
    const rows = listOf(stores).map((store) => ({
      name: textOf(store['full_name']),
      status: textOf(store['status']),
      id: textOf(store['id']),
      created: textOf(store['inserted_at']),
      expires: store['expires_at'] === null ? null : textOf(store['expires_at']),
    }));
    if (rows.length === 0) {
      output.note('This token sees no store. "holdfast stores create ORG/NAME" makes one.');
    }
    output.table(rows, [
      { title: 'NAME', cell: ({ name }) => name },
      { title: 'STATUS', cell: ({ status }) => status },
      { title: 'CREATED', cell: ({ created }) => created },
      { title: 'EXPIRES', cell: ({ expires }) => expires ?? 'never' },
      { title: 'ID', cell: ({ id }) => id },
    ]);
  },
});
