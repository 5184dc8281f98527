import type { PathRule, Scope } from '@holdfast/server';
import type { Storage } from '@holdfast/server/storage';
import { callApi } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure, misuse } from '../failure.ts';
import { textOf } from '../fields.ts';
import { dataArg, withStorage } from '../offline.ts';
import { printable } from '../output.ts';
import { readStoreName } from '../store-name.ts';
import { readDuration, readList, readSome } from '../values.ts';

type Wanted = {
  readonly name: string;
  readonly org: string | null;
  readonly stores: readonly string[];
  readonly scopes: readonly Scope[];
  /** None: all paths. */
  readonly pathRules: readonly PathRule[] | null;
  readonly expiresAt: number | null;
};

export const command: Command = defineCommand({
  summary: 'Make a token. Its text is shown this once only.',
  args: {
    name: { type: 'string', valueHint: 'NAME', default: 'cli', description: 'What it is for' },
    store: {
      type: 'string',
      valueHint: 'STORES',
      description: 'The stores it opens, as org/name,org/name',
    },
    org: {
      type: 'string',
      valueHint: 'ORG',
      description: 'With --data: open all stores of this org',
    },
    scopes: {
      type: 'string',
      valueHint: 'SCOPES',
      default: 'write',
      description: 'read, write, all, or scopes such as entries:read; several with commas',
    },
    'may-read': {
      type: 'string',
      valueHint: 'PATTERNS',
      description: 'Reads only these paths, such as tickets/**,team/*',
    },
    'may-write': {
      type: 'string',
      valueHint: 'PATTERNS',
      description: 'Writes only these paths',
    },
    expires: {
      type: 'string',
      valueHint: 'DURATION',
      description: 'Valid for so long, such as 30d',
    },
    data: dataArg,
    ...connectionArgs,
  },
  examples: [
    'holdfast tokens create --name ci --store acme/app --scopes read --expires 30d',
    "holdfast tokens create --name agent --may-read 'tickets/**,team/**' --may-write 'tickets/**'",
    'holdfast tokens create --data ./data --org acme --scopes all   # the first one',
  ],
  async run(args, { output, terminal }) {
    const wanted: Wanted = {
      name: args.name,
      org: args.org ?? null,
      stores: readStores(args.store),
      scopes: await readScopes(args.scopes),
      pathRules: rulesOf(args['may-read'], args['may-write']),
      expiresAt:
        args.expires === undefined ? null : Date.now() + readDuration(args.expires, '--expires'),
    };
    const { id, token } =
      args.data === undefined
        ? await createOnline(wanted, (body) =>
            callApi(endpointOf(args, terminal), '/api/tokens', {
              method: 'POST',
              body,
              says: { id: 'text', raw_token: 'text' },
            }),
          )
        : await createOffline(wanted, args.data);
    output.record({ id, name: wanted.name, token, scopes: wanted.scopes }, (paint) =>
      [
        `${paint.green('✓')} ${printable(wanted.name)} (${id})`,
        '',
        `  ${paint.bold(printable(token))}`,
        '',
        paint.dim('Keep it now: it is not shown again. Use it as --token or HOLDFAST_TOKEN.'),
      ].join('\n'),
    );
  },
});

function readStores(text: string | undefined): Wanted['stores'] {
  if (text === undefined) return [];
  return readSome(text, '--store', 'the token opens all stores').map(readStoreName);
}

type Made = { readonly id: string; readonly token: string };

async function createOnline(
  wanted: Wanted,
  post: (body: object) => Promise<{ readonly [field: string]: unknown }>,
): Promise<Made> {
  if (wanted.org !== null) throw misuse('--org goes with --data only.', 'Name stores by --store.');
  const { name, stores, scopes, pathRules, expiresAt } = wanted;
  const made = await post({
    name,
    scopes,
    ...(stores.length > 0 ? { store_names: stores } : { store_access_mode: 'all' }),
    ...(pathRules !== null && { path_rules: pathRules }),
    ...(expiresAt !== null && { expires_at: new Date(expiresAt).toISOString() }),
  });
  return { id: textOf(made['id']), token: textOf(made['raw_token']) };
}

async function createOffline(wanted: Wanted, data: string): Promise<Made> {
  const { createServer } = await import('@holdfast/server');
  return withStorage(data, { create: true }, async (storage) => {
    const reach = await reachOf(wanted, storage);
    const server = createServer({ storage });
    try {
      const { name, scopes, pathRules, expiresAt } = wanted;
      const { id, rawToken } = await server.tokens.issue({
        name,
        scopes,
        expiresAt,
        createdBy: null,
        ...(pathRules !== null && { pathRules }),
        ...reach,
      });
      return { id, token: rawToken };
    } finally {
      await server.close();
    }
  });
}

type Reach = {
  readonly org: string;
  readonly storeAccess: { mode: 'all' } | { mode: 'selected'; storeIds: string[] };
};

async function reachOf({ org, stores }: Wanted, storage: Storage): Promise<Reach> {
  const orgs = new Set(stores.map((name) => name.slice(0, name.indexOf('/'))));
  if (org !== null) orgs.add(org);
  const [only, ...others] = orgs;
  if (only === undefined) {
    throw misuse(
      'Which stores does it open?',
      'Give --store org/name, or --org ORG for all stores of an org.',
    );
  }
  if (others.length > 0) throw misuse('A token opens the stores of one org only.');
  readStoreName(`${only}/any`);
  if (stores.length === 0) return { org: only, storeAccess: { mode: 'all' } };
  const storeIds = await Promise.all(stores.map((name) => idOf(name, storage)));
  return { org: only, storeAccess: { mode: 'selected', storeIds } };
}

async function idOf(name: string, storage: Storage): Promise<string> {
  const row = await storage.stores.find(readStoreName(name));
  if (row !== null) return row.id;
  throw new Failure('not_found', `There is no store ${name}.`, {
    hint: '--org opens all stores of an org, those to come included.',
  });
}

/** Where one of the two is said, nothing else may be read or written. */
function rulesOf(read: string | undefined, write: string | undefined): readonly PathRule[] | null {
  if (read === undefined && write === undefined) return null;
  return [...rulesFor(read ?? '', 'read'), ...rulesFor(write ?? '', 'write')];
}

function rulesFor(patterns: string, right: PathRule['allow'][number]): readonly PathRule[] {
  return readList(patterns).map((pattern) => ({ pattern, allow: [right] }));
}

const presets: { readonly [name: string]: readonly string[] } = {
  read: ['entries:read', 'files:read', 'stores:read'],
  write: ['entries:read', 'entries:write', 'files:read', 'files:write', 'stores:read'],
};

async function readScopes(text: string): Promise<readonly Scope[]> {
  const { scopes } = await import('@holdfast/server');
  const sets: { readonly [name: string]: readonly string[] } = { ...presets, all: scopes };
  const names = readList(text).flatMap((name) =>
    Object.hasOwn(sets, name) ? (sets[name] ?? []) : [name],
  );
  const unknown = names.find((name) => !scopes.some((scope) => scope === name));
  if (unknown === undefined && names.length > 0) {
    return scopes.filter((scope) => names.includes(scope));
  }
  throw misuse(
    `--scopes: there is no scope "${unknown ?? text}".`,
    `There are read, write, all, and these: ${scopes.join(', ')}.`,
  );
}
