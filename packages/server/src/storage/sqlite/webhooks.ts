import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { deliveriesMax, deliveryMs } from '../batch.ts';
import type { Delivery, WebhookRow, WebhookStanding, WebhookTable } from '../port.ts';
import type { Desk } from './desk.ts';
import { prepareAll } from './statements.ts';

// What a purged store had is there until it is swept away, and is not seen.
const select =
  'SELECT webhooks.*, stores.id AS store_id FROM webhooks JOIN stores ON stores.key = store';

/** The table of webhooks. */
export class SqliteWebhooks implements WebhookTable {
  readonly #desk: Desk;
  readonly #sql;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      create: `INSERT INTO webhooks (id, store, url, secret, patterns, ops, inserted_at, cursor)
        SELECT ?, stores.key, ?, ?, ?, ?, ?, head FROM stores
        WHERE id = ? AND (SELECT count(*) FROM webhooks WHERE store = stores.key) < ? ON CONFLICT DO NOTHING`,
      get: `${select} WHERE webhooks.id = ?`,
      ofStore: `${select} WHERE stores.id = ? ORDER BY webhooks.key`,
      active: `${select} WHERE inactive_reason IS NULL ORDER BY webhooks.key`,
      remove: 'DELETE FROM webhooks WHERE id = ?',
      note: `UPDATE webhooks SET cursor = ?, inactive_reason = ?, failures = ?, retry_at = ?
        WHERE id = ? AND EXISTS (SELECT 1 FROM stores WHERE stores.key = webhooks.store)`,
      attempt: `INSERT INTO deliveries (webhook, id, seq, status_code, response_ms, error, at)
        SELECT key, ?, ?, ?, ?, ?, ? FROM webhooks WHERE id = ?`,
      prune: `DELETE FROM deliveries WHERE webhook = (SELECT key FROM webhooks WHERE id = ?1) AND number <=
        (SELECT number FROM deliveries WHERE webhook = (SELECT key FROM webhooks WHERE id = ?1)
        ORDER BY number DESC LIMIT 1 OFFSET ${deliveriesMax})`,
      deliveries: `SELECT * FROM deliveries WHERE webhook = (SELECT key FROM webhooks WHERE id = ?)
        AND at > ? ORDER BY number DESC LIMIT ?`,
    });
  }

  create(
    { id, store, url, secret, patterns, ops, insertedAt }: Parameters<WebhookTable['create']>[0],
    most: number,
  ): Promise<WebhookRow | null> {
    const lists = [JSON.stringify(patterns), ops && JSON.stringify(ops)];
    return this.#desk.commits.enqueue(1, () => {
      const { changes } = this.#sql.create.run(id, url, secret, ...lists, insertedAt, store, most);
      const row = changes > 0 ? this.#sql.get.get(id) : undefined;
      return row === undefined ? null : this.#desk.rows.webhook(row);
    });
  }

  async get(id: string): Promise<WebhookRow | null> {
    return this.#rows(this.#sql.get, id)[0] ?? null;
  }

  async list(of: { readonly store: string } | 'active'): Promise<readonly WebhookRow[]> {
    return of === 'active' ? this.#rows(this.#sql.active) : this.#rows(this.#sql.ofStore, of.store);
  }

  remove(id: string): Promise<boolean> {
    return this.#desk.commits.enqueue(1, () => this.#sql.remove.run(id).changes > 0);
  }

  note(id: string, standing: WebhookStanding, delivery: Delivery | null): Promise<boolean> {
    const { cursor, inactiveReason, failures, retryAt } = standing;
    return this.#desk.commits.enqueue(1, () => {
      const { changes } = this.#sql.note.run(cursor, inactiveReason, failures, retryAt, id);
      if (changes > 0 && delivery !== null) this.#attempted(id, delivery);
      return changes > 0;
    });
  }

  async deliveries(id: string, limit: number): Promise<readonly Delivery[]> {
    const { commits, rows, now } = this.#desk;
    return commits.read(() =>
      this.#sql.deliveries.all(id, now() - deliveryMs, limit).map((row) => rows.delivery(row)),
    );
  }

  #attempted(webhook: string, { id, seq, statusCode, responseMs, error, at }: Delivery): void {
    this.#sql.attempt.run(id, seq, statusCode, responseMs, error, at, webhook);
    this.#sql.prune.run(webhook);
  }

  #rows(statement: StatementSync, ...args: SQLInputValue[]): WebhookRow[] {
    const { commits, rows } = this.#desk;
    return commits.read(() => statement.all(...args).map((row) => rows.webhook(row)));
  }
}
