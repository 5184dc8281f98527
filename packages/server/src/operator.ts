import { randomUUID } from 'node:crypto';
import { type EpochMs, parseStoreName } from '@holdfast/protocol';
import {
  type AuditLog,
  faultInPrincipal,
  orgOf,
  ratesOf,
  storeIdsOf,
  type TokenAuthority,
  type TokenRequest,
} from './access/index.ts';
import { INSTANT_MS_MAX } from './http/index.ts';
import type { Server } from './server-options.ts';
import type { Storage, StoreRow } from './storage/port.ts';

/** What the program around a server may do, without being asked who it is. */
export type OperatorRoom = {
  readonly storage: Storage;
  readonly tokens: TokenAuthority;
  readonly audit: AuditLog;
  readonly now: () => EpochMs;
  /** Closes what is open of an archived store. */
  readonly archived: (id: string) => Promise<void>;
  /** Lets a store that was made anew under its name be opened. */
  readonly purged: (id: string) => void | Promise<void>;
  /** Looks at the tokens of all open sockets. */
  readonly revoked: () => void;
};

/** The stores of a server, for its operator; who did what is noted. */
export function operatorStores(room: OperatorRoom): Server['stores'] {
  const { storage, audit } = room;
  return {
    create: async (name, { expiresAt = null }: { expiresAt?: EpochMs | null } = {}) => {
      const parsed = parseStoreName(name);
      if (parsed === null) throw new TypeError(`"${name}" is not a store name like org/name.`);
      checkExpiry(expiresAt);
      const ids = { id: randomUUID(), incarnation: randomUUID() };
      const store = await storage.stores.create({ ...ids, name: parsed, expiresAt });
      if (store !== null) await noteStore(audit, 'store.created', store);
      return store;
    },
    find: async (name) => {
      const parsed = parseStoreName(name);
      return parsed === null ? null : storage.stores.find(parsed);
    },
    archive: (id) => archiveStore(room, id, 'store.archived'),
    purge: (id) => purgeStore(room, id),
  };
}

/** Archives a store, because the operator says so or its time has come (stores.md §1.1.3). */
export async function archiveStore(
  { storage, audit, archived }: Pick<OperatorRoom, 'storage' | 'audit' | 'archived'>,
  id: string,
  act: 'store.archived' | 'store.expired',
): Promise<boolean> {
  const store = await storage.stores.get(id);
  if (store === null || !(await storage.stores.archive(id))) return false;
  await archived(id);
  await noteStore(audit, act, store);
  return true;
}

/** Deletes a store with all it holds; nobody has it open by then. */
async function purgeStore(room: OperatorRoom, id: string): Promise<boolean> {
  const { storage, audit, archived, purged } = room;
  const store = await storage.stores.get(id);
  if (store === null) return false;
  await storage.stores.archive(id);
  await archived(id);
  if (!(await storage.stores.purge(id))) return false;
  await purged(id);
  await noteStore(audit, 'store.purged', store);
  return true;
}

/** So many are read at a time, however many have been made for a day. */
const EXPIRED_ROWS = 100;

/** Archives the stores whose time has come, one after the other. */
export async function expireStores(room: OperatorRoom): Promise<void> {
  let found = EXPIRED_ROWS;
  while (found === EXPIRED_ROWS) {
    const due = await room.storage.stores.expired(room.now(), EXPIRED_ROWS);
    found = 0;
    for (const { id } of due) if (await archiveStore(room, id, 'store.expired')) found += 1;
  }
}

/** One that cannot be written as an instant would spoil each list in which it stands. */
function checkExpiry(expiresAt: EpochMs | null): void {
  if (expiresAt === null) return;
  if (Number.isInteger(expiresAt) && expiresAt >= 0 && expiresAt <= INSTANT_MS_MAX) return;
  throw new TypeError(
    'expiresAt must be whole milliseconds since 1970, before the year 10000, or null: it does not end.',
  );
}

/** What makes a token that opens nothing is told to its maker, not to those who come with it. */
function checkToken({ limits, org, presence, scopes, ...request }: TokenRequest): void {
  const principal = {
    ...request,
    subject: null,
    tokenId: null,
    orgs: [org],
    scopes: new Set(scopes),
  };
  const fault = faultInPrincipal({ ...principal, presence: presence ?? undefined });
  if (fault !== null) throw new TypeError(`Nobody could use this token: ${fault}`);
  const name = storeIdsOf(request.storeAccess).find((id) => id.includes('/'));
  if (name !== undefined) {
    throw new TypeError(`storeIds must be ids, as \`stores.find('${name}')\` tells, not names.`);
  }
  checkExpiry(request.expiresAt);
  ratesOf(limits ?? {});
}

/** The tokens of a server, for its operator. */
export function operatorTokens(room: OperatorRoom): Server['tokens'] {
  const { storage, tokens, audit } = room;
  return {
    issue: async (request) => {
      checkToken(request);
      const { row, rawToken } = await tokens.issue(request);
      const { id, org, name } = row;
      const details = { name };
      await audit.note({ act: 'token.issued', org, actor: null, target: id, details });
      return { id, rawToken };
    },
    revoke: async (id) => {
      const row = await storage.tokens.get(id);
      const revoked = await storage.tokens.revoke(id, room.now());
      room.revoked();
      if (row !== null && revoked) {
        const { org, name } = row;
        const details = { name };
        await audit.note({ act: 'token.revoked', org, actor: null, target: id, details });
      }
      return revoked;
    },
  };
}

function noteStore(
  audit: AuditLog,
  act: 'store.created' | 'store.archived' | 'store.expired' | 'store.purged',
  store: StoreRow,
): Promise<void> {
  return audit.note({ act, org: orgOf(store.name), actor: null, store });
}
