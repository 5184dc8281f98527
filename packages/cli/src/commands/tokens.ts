import type { TokenRow } from '@holdfast/server/storage';
import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, type Endpoint, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { listOf, textOf } from '../fields.ts';
import { dataArg, orgsOf, withStorage } from '../offline.ts';
import { readList } from '../values.ts';

type Shown = {
  readonly id: string;
  readonly name: string;
  readonly stores: string;
  readonly scopes: readonly string[];
  readonly expires: string | null;
  readonly last_used: string | null;
};

export const command: Command = defineCommand({
  summary: 'List the tokens that are not revoked.',
  args: {
    data: dataArg,
    org: {
      type: 'string',
      valueHint: 'ORG',
      description: 'With --data: of these orgs, also if they have no store',
    },
    ...connectionArgs,
  },
  examples: ['holdfast tokens', 'holdfast tokens --data ./data'],
  async run(args, { output, terminal }) {
    if (args.org !== undefined && args.data === undefined) {
      throw misuse('--org goes with --data only.', 'A server lists the tokens of your org.');
    }
    const rows =
      args.data === undefined
        ? await listOnline(endpointOf(args, terminal))
        : await listOffline(args.data, readList(args.org ?? ''));
    if (rows.length === 0) output.note('There is no token. "holdfast tokens create" makes one.');
    output.table(rows, [
      { title: 'NAME', cell: ({ name }) => name, shrinks: true },
      { title: 'STORES', cell: ({ stores }) => stores, shrinks: true },
      { title: 'SCOPES', cell: ({ scopes }) => scopes.join(','), shrinks: true },
      { title: 'EXPIRES', cell: ({ expires }) => expires ?? 'never' },
      { title: 'LAST USED', cell: ({ last_used: used }) => used ?? 'never' },
      { title: 'ID', cell: ({ id }) => id },
    ]);
  },
});

function fromApi(token: { readonly [field: string]: unknown }): Shown {
  const { scopes, expires_at: expires = null, last_used_at: used = null } = token;
  return {
    id: textOf(token['id']),
    name: textOf(token['name']),
    stores: textOf(token['store_name']),
    scopes: Array.isArray(scopes) ? scopes.map(textOf) : [],
    expires: expires === null ? null : textOf(expires),
    last_used: used === null ? null : textOf(used),
  };
}

async function listOnline(endpoint: Endpoint): Promise<readonly Shown[]> {
  const { tokens } = await callApi(endpoint, '/api/tokens', { says: { tokens: 'list' } });
  return listOf(tokens).map(fromApi);
}

function listOffline(data: string, orgs: readonly string[]): Promise<readonly Shown[]> {
  return withStorage(data, { create: false }, async (storage) => {
    const all = new Set([...orgs, ...(await orgsOf(storage))]);
    const lists = await Promise.all([...all].map((org) => storage.tokens.list(org)));
    const live = lists.flat().filter(({ revokedAt }) => revokedAt === null);
    return Promise.all(
      live.map(async (row) => {
        const names = await namesOf(
          row,
          async (id) => (await storage.stores.get(id))?.name ?? null,
        );
        return fromRow(row, names);
      }),
    );
  });
}

async function namesOf(
  { org, storeAccess }: TokenRow,
  nameOf: (id: string) => Promise<string | null>,
): Promise<string> {
  if (storeAccess.mode === 'all') return `${org}/*`;
  const names = await Promise.all(storeAccess.storeIds.map(nameOf));
  return names.filter((name) => name !== null).join(', ');
}

function fromRow(row: TokenRow, stores: string): Shown {
  const { id, name, scopes, expiresAt, lastUsedAt } = row;
  return { id, name, stores, scopes, expires: instant(expiresAt), last_used: instant(lastUsedAt) };
}

function instant(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
