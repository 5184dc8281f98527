import type { SQLInputValue, StatementSync } from 'node:sqlite';
import type { EpochMs, StoreName } from '@holdfast/protocol';
import { tokenGraceMs } from '../batch.ts';
import type { LoadChunk, NewStore, StoreRow, StoreTable, TokenRow, TokenTable } from '../port.ts';
import { turn } from '../turn.ts';
import type { Desk } from './desk.ts';
import { Seeder } from './seeder.ts';
import { prepareAll } from './statements.ts';

const minuteMs = 60_000;
const prunedTokens = 16;
const tokensPerTurn = 1000;

/** The table of stores. */
export class SqliteStores implements StoreTable {
  readonly #desk: Desk;
  readonly #purged: (key: number) => void;
  readonly #seeder: Seeder;
  readonly #sql;

  /** `purged` hears of stores whose rows are to be swept away. */
  constructor(desk: Desk, purged: (key: number) => void) {
    this.#desk = desk;
    this.#purged = purged;
    this.#seeder = new Seeder(desk, purged);
    this.#sql = prepareAll(desk.db, {
      create: `INSERT INTO stores (id, name, status, incarnation, inserted_at, expires_at)
        VALUES (?, ?, 'active', ?, ?, ?) ON CONFLICT DO NOTHING`,
      count: 'SELECT count(*) AS count FROM stores WHERE name >= ? AND name < ?',
      get: 'SELECT * FROM stores WHERE id = ?',
      find: 'SELECT * FROM stores WHERE name = ?',
      list: 'SELECT * FROM stores WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?',
      expired: `SELECT * FROM stores WHERE status = 'active' AND expires_at IS NOT NULL
        AND expires_at <= ? ORDER BY expires_at, name LIMIT ?`,
      archive: "UPDATE stores SET status = 'archived' WHERE id = ?",
      setExpiry: 'UPDATE stores SET expires_at = ? WHERE id = ?',
      drop: 'DELETE FROM stores WHERE id = ?',
      remember: 'INSERT INTO purged (key) VALUES (?)',
    });
  }

  create(store: NewStore): Promise<StoreRow | null> {
    return this.#desk.commits.enqueue(1, () => this.#create(store));
  }

  seed(store: NewStore, chunks: AsyncIterable<LoadChunk>): Promise<StoreRow | null> {
    return this.#seeder.seed(chunks, () => this.#create(store));
  }

  async get(id: string): Promise<StoreRow | null> {
    return this.#row(this.#sql.get, id);
  }

  async find(name: StoreName): Promise<StoreRow | null> {
    return this.#row(this.#sql.find, name);
  }

  async list(page: Parameters<StoreTable['list']>[0]): Promise<readonly StoreRow[]> {
    // Names hold no character above `z`; `0` is the character after `/`.
    const [from, to] = page.org === undefined ? ['', '{'] : [`${page.org}/`, `${page.org}0`];
    return this.#rows(this.#sql.list, page.after ?? '', from, to, page.limit);
  }

  async expired(at: EpochMs, limit: number): Promise<readonly StoreRow[]> {
    return this.#rows(this.#sql.expired, at, limit);
  }

  archive(id: string): Promise<boolean> {
    return this.#desk.commits.enqueue(1, () => this.#sql.archive.run(id).changes > 0);
  }

  setExpiry(id: string, expiresAt: EpochMs | null): Promise<boolean> {
    return this.#desk.commits.enqueue(1, () => this.#sql.setExpiry.run(expiresAt, id).changes > 0);
  }

  async purge(id: string): Promise<boolean> {
    const key = await this.#desk.commits.enqueue(1, () => {
      const row = this.#sql.get.get(id);
      if (row === undefined) return null;
      const found = this.#desk.rows.integer(row, 'key');
      this.#sql.drop.run(id);
      this.#sql.remember.run(found);
      return found;
    });
    if (key !== null) this.#purged(key);
    return key !== null;
  }

  /** Inside a transaction. */
  #create({ id, name, incarnation, expiresAt, most }: NewStore): StoreRow | null {
    const insertedAt = this.#desk.now();
    // The insert alone would write a page to find that out, for which a full disk has no room.
    if (this.#sql.find.get(name) !== undefined) return null;
    if (most !== undefined && this.#countIn(name.slice(0, name.indexOf('/'))) >= most) return null;
    const { changes } = this.#sql.create.run(id, name, incarnation, insertedAt, expiresAt);
    if (changes === 0) return null;
    return { id, name, status: 'active', incarnation, insertedAt, expiresAt };
  }

  #countIn(org: string): number {
    const row = this.#sql.count.get(`${org}/`, `${org}0`);
    return row === undefined ? 0 : this.#desk.rows.integer(row, 'count');
  }

  #row(statement: StatementSync, key: string): StoreRow | null {
    return this.#rows(statement, key)[0] ?? null;
  }

  #rows(statement: StatementSync, ...args: SQLInputValue[]): StoreRow[] {
    const { commits, rows } = this.#desk;
    return commits.read(() => statement.all(...args).map((row) => rows.store(row)));
  }
}

/** The table of tokens. */
export class SqliteTokens implements TokenTable {
  readonly #desk: Desk;
  readonly #sql;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      create: `INSERT INTO tokens (id, hash, last4, name, org, creator, scopes, store_access, path_rules,
        presence, limits, inserted_at, expires_at, revoked_at, last_used_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      get: 'SELECT * FROM tokens WHERE id = ?',
      find: 'SELECT * FROM tokens WHERE hash = ?',
      list: `SELECT * FROM tokens WHERE org = ? AND (inserted_at, id) > (?, ?)
        ORDER BY inserted_at, id LIMIT ${tokensPerTurn}`,
      orgs: 'SELECT DISTINCT org FROM tokens ORDER BY org',
      revoke: 'UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?',
      touch: 'UPDATE tokens SET last_used_at = ? WHERE id = ?',
      prune: `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens
        WHERE coalesce(revoked_at, expires_at) IS NOT NULL AND coalesce(revoked_at, expires_at) <= ?
        LIMIT ${prunedTokens})`,
    });
  }

  create(token: TokenRow): Promise<boolean> {
    const { storeAccess: access, pathRules: rules } = token;
    return this.#desk.commits.enqueue(1, () => {
      const { changes } = this.#sql.create.run(
        token.id,
        token.hash,
        token.last4,
        token.name,
        token.org,
        token.creator,
        JSON.stringify(token.scopes),
        access.mode === 'all' ? null : JSON.stringify(access.storeIds),
        rules && JSON.stringify(rules.map(({ pattern, allow }) => [pattern, allow])),
        token.presence === null ? null : Number(token.presence),
        token.limits && JSON.stringify(token.limits),
        token.insertedAt,
        token.expiresAt,
        token.revokedAt,
        token.lastUsedAt,
      );
      // By a clock that has just been put ahead none has ended long ago.
      const disbelievedMs = this.#desk.now() - this.#desk.settled();
      if (changes > 0) this.#sql.prune.run(token.insertedAt - disbelievedMs - tokenGraceMs);
      return changes > 0;
    });
  }

  async get(id: string): Promise<TokenRow | null> {
    return this.#row(this.#sql.get, id);
  }

  async find(hash: string): Promise<TokenRow | null> {
    return this.#row(this.#sql.find, hash);
  }

  async list(org: string): Promise<readonly TokenRow[]> {
    const found: TokenRow[] = [];
    for (let page = this.#rows(this.#sql.list, org, Number.MIN_SAFE_INTEGER, ''); ;) {
      found.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < tokensPerTurn) return found;
      // oxlint-disable-next-line no-await-in-loop -- others want their turn
      await turn();
      page = this.#rows(this.#sql.list, org, last.insertedAt, last.id);
    }
  }

  async orgs(): Promise<readonly string[]> {
    const { commits, rows } = this.#desk;
    return commits.read(() => this.#sql.orgs.all().map((row) => rows.text(row, 'org')));
  }

  revoke(id: string, at: EpochMs): Promise<boolean> {
    return this.#desk.commits.enqueue(1, () => this.#sql.revoke.run(at, id).changes > 0);
  }

  async touch(id: string, at: EpochMs): Promise<void> {
    const token = await this.get(id);
    if (token === null || (token.lastUsedAt !== null && at < token.lastUsedAt + minuteMs)) return;
    await this.#desk.commits.enqueue(1, () => this.#sql.touch.run(at, id));
  }

  #row(statement: StatementSync, key: string): TokenRow | null {
    return this.#rows(statement, key)[0] ?? null;
  }

  #rows(statement: StatementSync, ...args: SQLInputValue[]): TokenRow[] {
    const { commits, rows } = this.#desk;
    return commits.read(() => statement.all(...args).map((row) => rows.token(row)));
  }
}
