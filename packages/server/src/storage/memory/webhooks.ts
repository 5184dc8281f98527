import type { EpochMs, Seq } from '@holdfast/protocol';
import { deliveriesMax, deliveryMs } from '../batch.ts';
import type { Delivery, WebhookRow, WebhookStanding, WebhookTable } from '../port.ts';

/** The table of webhooks. */
export class MemoryWebhooks implements WebhookTable {
  readonly #now: () => EpochMs;
  readonly #headOf: (store: string) => Seq | null;
  /** In the order of their creation. */
  readonly #rows = new Map<string, WebhookRow>();
  readonly #deliveries = new Map<string, Delivery[]>();

  constructor(now: () => EpochMs, headOf: (store: string) => Seq | null) {
    this.#now = now;
    this.#headOf = headOf;
  }

  async create(
    webhook: Parameters<WebhookTable['create']>[0],
    most: number,
  ): Promise<WebhookRow | null> {
    const cursor = this.#headOf(webhook.store);
    const others = await this.list({ store: webhook.store });
    if (cursor === null || others.length >= most || this.#rows.has(webhook.id)) return null;
    const row = { ...webhook, cursor, inactiveReason: null, failures: 0, retryAt: null };
    this.#rows.set(row.id, row);
    return row;
  }

  async get(id: string): Promise<WebhookRow | null> {
    return this.#rows.get(id) ?? null;
  }

  async list(of: { readonly store: string } | 'active'): Promise<readonly WebhookRow[]> {
    return [...this.#rows.values()].filter((row) =>
      of === 'active' ? row.inactiveReason === null : row.store === of.store,
    );
  }

  async remove(id: string): Promise<boolean> {
    this.#deliveries.delete(id);
    return this.#rows.delete(id);
  }

  async note(id: string, standing: WebhookStanding, delivery: Delivery | null): Promise<boolean> {
    const row = this.#rows.get(id);
    if (row === undefined) return false;
    this.#rows.set(id, { ...row, ...standing });
    if (delivery === null) return true;
    this.#deliveries.set(id, [delivery, ...this.#recent(id)].slice(0, deliveriesMax));
    return true;
  }

  async deliveries(id: string, limit: number): Promise<readonly Delivery[]> {
    return this.#recent(id).slice(0, limit);
  }

  /** The store is gone. */
  purged(store: string): void {
    for (const row of this.#rows.values()) {
      if (row.store !== store) continue;
      this.#rows.delete(row.id);
      this.#deliveries.delete(row.id);
    }
  }

  #recent(id: string): readonly Delivery[] {
    const since = this.#now() - deliveryMs;
    return (this.#deliveries.get(id) ?? []).filter(({ at }) => at > since);
  }
}
