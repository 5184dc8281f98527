import { type EpochMs, parseStoreName } from '@holdfast/protocol';

import {
  faultInRules,
  isRules,
  isScope,
  legacyScopes,
  orgOf,
  type PathRule,
  type Principal,
  type Scope,
  seesStore,
  type StoreAccess,
} from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import { onlyFields } from './body.ts';
import type { HttpDeps } from './deps.ts';
import { invalidField } from './errors.ts';
import { readTime } from './time.ts';

/** A token as `POST /api/tokens` asks for it; not yet judged against what the bearer has. */
export type WantedToken = {
  readonly name: string;
  readonly org: string;
  readonly scopes: readonly Scope[];
  readonly storeAccess: StoreAccess;
  readonly expiresAt: EpochMs | null;
  readonly pathRules: readonly PathRule[] | null;
};

type Body = { readonly [key: string]: unknown };
type Around = { readonly bearer: Principal; readonly deps: HttpDeps };

const NAME_BYTES_MAX = 128;
const STORES_MAX = 1000;

/** Reads the body of `POST /api/tokens` (stores.md §15.2). What it leaves open (stores, expiry, rules) is as the bearer's. */
export async function readTokenRequest(body: Body, around: Around): Promise<WantedToken> {
  const { bearer, deps } = around;
  onlyFields(body, 'NewToken', invalidField);
  const name = readName(body['name']);
  const scopes = readScopes(body);
  const expiresAt = readExpiry(body['expires_at'], { bearer, now: deps.now() });
  const pathRules = readRules(body['path_rules'], bearer);
  return { name, scopes, expiresAt, pathRules, ...(await readStores(body, around)) };
}

function readRules(given: unknown, bearer: Principal): readonly PathRule[] | null {
  if (given === undefined) return bearer.pathRules ?? null;
  if (given === null) return null;
  if (isRules(given)) return given.map(({ pattern, allow }) => ({ pattern, allow }));
  throw invalidField('path_rules', `path_rules: ${faultInRules(given) ?? ''}`);
}

function readName(name: unknown): string {
  if (typeof name === 'string' && name.trim() !== '' && Buffer.byteLength(name) <= NAME_BYTES_MAX) {
    return name;
  }
  throw invalidField('name', `name must be a string of 1 to ${NAME_BYTES_MAX} bytes.`);
}

function readScopes(body: Body): readonly Scope[] {
  const flags = { read: readFlag(body, 'read'), write: readFlag(body, 'write') };
  const given = body['scopes'] ?? null;
  const scopes = given === null ? legacyScopes(flags) : readScopeList(given);
  if (given !== null && (flags.read || flags.write)) {
    throw invalidField('scopes', 'Give scopes, or the flags read and write, not both.');
  }
  if (scopes.length === 0) throw invalidField('scopes', 'A token needs at least one scope.');
  return scopes;
}

function readFlag(body: Body, flag: 'read' | 'write'): boolean {
  const value = body[flag] ?? false;
  if (typeof value !== 'boolean') throw invalidField(flag, `${flag} must be true or false.`);
  return value;
}

function readScopeList(given: unknown): readonly Scope[] {
  if (Array.isArray(given) && given.every(isScope)) return [...new Set(given)];
  throw invalidField('scopes', 'scopes must be a list of known scopes.');
}

function readExpiry(
  given: unknown,
  { bearer, now }: { readonly bearer: Principal; readonly now: EpochMs },
): EpochMs | null {
  if (given === undefined) return bearer.expiresAt;
  if (given === null) return null;
  const at = readTime(given);
  if (at !== null && at > now) return at;
  throw invalidField('expires_at', 'expires_at must be an instant of RFC 3339 to come, or null.');
}

type Reach = Pick<WantedToken, 'org' | 'storeAccess'>;

async function readStores(body: Body, around: Around): Promise<Reach> {
  const mode = readMode(body);
  const named = readNamed(body);
  if (named !== null && mode !== null && (mode === 'all') !== (named === 'all')) {
    throw invalidField('store_access_mode', 'The stores that are named do not fit this mode.');
  }
  const wanted = named ?? mode;
  if (wanted === 'selected') throw invalidField('store_ids', 'Name at least one store.');
  if (wanted === 'all') return { org: onlyOrg(around.bearer), storeAccess: { mode: 'all' } };
  if (wanted !== null) return select(await wanted.find(around), wanted.field);
  return { org: onlyOrg(around.bearer), storeAccess: around.bearer.storeAccess };
}

function readMode(body: Body): 'all' | 'selected' | null {
  const mode = body['store_access_mode'] ?? null;
  if (mode === null || mode === 'all' || mode === 'selected') return mode;
  throw invalidField('store_access_mode', 'store_access_mode must be all or selected.');
}

type Named = {
  readonly field: string;
  readonly find: (around: Around) => Promise<readonly StoreRow[]>;
};

/** How the body names stores; null if it does not. */
function readNamed(body: Body): Named | 'all' | null {
  const given = ['store_ids', 'store_names', 'store_name'].filter(
    (key) => (body[key] ?? null) !== null,
  );
  const [field, second] = given;
  if (field === undefined) return null;
  if (second !== undefined) throw invalidField(second, `Give ${field} or ${second}, not both.`);
  if (field === 'store_name' && body[field] === '*') return 'all';
  const texts = readTexts(field === 'store_name' ? [body[field]] : body[field], field);
  return { field, find: (around) => findStores(texts, field, around) };
}

function readTexts(list: unknown, field: string): readonly string[] {
  const good = Array.isArray(list) && list.length > 0 && list.length <= STORES_MAX;
  if (good && list.every((item) => typeof item === 'string')) return [...new Set(list)];
  throw invalidField(field, `${field} must name 1 to ${STORES_MAX} stores.`);
}

async function findStores(
  texts: readonly string[],
  field: string,
  around: Around,
): Promise<readonly StoreRow[]> {
  const find = field === 'store_ids' ? findById : findByName;
  return Promise.all(
    texts.map(async (text) => {
      const row = await find(text, around);
      // The same words for stores that are unknown and for those of other orgs (stores.md §11.1.5).
      if (row === null) throw invalidField(field, 'One of these stores does not exist.');
      return row;
    }),
  );
}

async function findById(id: string, { bearer, deps }: Around): Promise<StoreRow | null> {
  const row = await deps.storage.stores.get(id);
  return row !== null && seesStore(bearer, row) ? row : null;
}

/** By `name` in the bearer's one org, or by `org/name`. */
async function findByName(text: string, { bearer, deps }: Around): Promise<StoreRow | null> {
  const name = parseStoreName(text.includes('/') ? text : `${onlyOrg(bearer)}/${text}`);
  return name !== null && seesStore(bearer, { name }) ? deps.storage.stores.find(name) : null;
}

function select(rows: readonly StoreRow[], field: string): Reach {
  const [org, ...others] = new Set(rows.map((row) => orgOf(row.name)));
  if (org === undefined || others.length > 0) {
    throw invalidField(field, 'All stores of a token must be of one org.');
  }
  const storeIds = [...new Set(rows.map((row) => row.id))];
  return { org, storeAccess: { mode: 'selected', storeIds } };
}

function onlyOrg({ orgs }: Principal): string {
  const [org, ...others] = orgs;
  if (org !== undefined && others.length === 0) return org;
  throw invalidField('store_names', 'Name the stores as org/name: you do not have just one org.');
}
