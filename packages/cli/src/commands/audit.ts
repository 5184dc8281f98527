import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { listOf, textOf } from '../fields.ts';
import { readInteger } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Show what administrators did, newest first.',
  args: {
    org: {
      type: 'string',
      valueHint: 'ORG',
      description: 'Of this org; default: that of the store, or the first of yours',
    },
    store: {
      type: 'string',
      valueHint: 'ORG/NAME',
      description: 'Only what was done to this store',
    },
    act: { type: 'string', valueHint: 'ACT', description: 'Only this act, such as token.revoked' },
    actor: { type: 'string', valueHint: 'SUBJECT', description: 'Only by this one' },
    limit: {
      type: 'string',
      valueHint: 'N',
      default: '50',
      description: 'At most so many, up to 1000',
    },
    before: { type: 'string', valueHint: 'ID', description: 'Only before this act: the next page' },
    ...connectionArgs,
  },
  examples: ['holdfast audit', 'holdfast audit --store demo/main --act store.rolled_back'],
  async run(args, { output, terminal }) {
    const query = queryOf({
      org: args.org,
      store: args.store,
      act: args.act,
      actor: args.actor,
      before: args.before,
      limit: readInteger(args.limit, '--limit', { min: 1, max: 1000 }),
    });
    const answer = await callApi(endpointOf(args, terminal), `/api/audit?${query}`, {
      says: { acts: 'list' },
    });
    const rows = listOf(answer['acts']).map(shown);
    output.table(rows, [
      { title: 'AT', cell: ({ at }) => at },
      { title: 'ACT', cell: ({ act }) => act },
      { title: 'BY', cell: ({ actor }) => actor ?? 'the operator', shrinks: true },
      { title: 'STORE', cell: ({ store }) => store ?? '' },
      { title: 'TARGET', cell: ({ target }) => target ?? '', shrinks: true },
      { title: 'DETAILS', cell: ({ details }) => JSON.stringify(details), shrinks: true },
    ]);
    const next = answer['next_before'] ?? null;
    if (rows.length === 0) output.note('Nothing was done that you may hear of.');
    else if (next !== null) output.aside({ next }, () => `More follow: --before ${textOf(next)}`);
  },
});

type Shown = {
  readonly at: string;
  readonly act: string;
  readonly actor: string | null;
  readonly store: string | null;
  readonly target: string | null;
  readonly details: unknown;
};

function shown(row: { readonly [field: string]: unknown }): Shown {
  return {
    at: textOf(row['at']),
    act: textOf(row['act']),
    actor: textOrNull(row['actor']),
    store: textOrNull(row['store']),
    target: textOrNull(row['target']),
    details: row['details'],
  };
}

function textOrNull(value: unknown): string | null {
  return (value ?? null) === null ? null : textOf(value);
}
