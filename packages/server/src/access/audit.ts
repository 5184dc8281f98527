import type { EpochMs } from '@holdfast/protocol';

import type { AuditAct, Storage } from '../storage/port.ts';

/** What is noted of an administrative act; the rest follows from who did it, and to which store. */
export type Act = {
  readonly act:
    | 'entry.force_deleted'
    | 'store.archived'
    | 'store.cloned'
    | 'store.created'
    | 'store.expired'
    | 'store.imported'
    | 'store.purged'
    | 'store.rolled_back'
    | 'token.issued'
    | 'token.revoked'
    | 'webhook.created'
    | 'webhook.reactivated'
    | 'webhook.replayed'
    | 'webhook.removed';
  readonly org: string;
  /** null: the operator, by the program that the server is part of. */
  readonly actor: string | null;
  readonly store?: { readonly id: string; readonly name: string } | null;
  readonly target?: string | null;
  readonly details?: AuditAct['details'];
};

/** The audit log: administrative acts, noted once they are done. */
export class AuditLog {
  readonly #table: Storage['audit'];
  readonly #clock: { now(): EpochMs };
  readonly #report: (what: string, error: unknown) => void;

  constructor(
    storage: Pick<Storage, 'audit'>,
    clock: { now(): EpochMs },
    report: (what: string, error: unknown) => void,
  ) {
    this.#table = storage.audit;
    this.#clock = clock;
    this.#report = report;
  }

  /** Resolves once it is kept. What is done stays done where it cannot be noted: the operator's log has the whole of it then. */
  async note({ act, org, actor, store, target, details }: Act): Promise<void> {
    const at = this.#clock.now();
    const place = store ? { id: store.id, name: store.name } : null;
    const row = {
      at,
      org,
      act,
      actor,
      store: place,
      target: target ?? null,
      details: details ?? {},
    };
    await this.#table
      .note(row)
      .catch((error: unknown) =>
        this.#report(`an act was not noted: ${JSON.stringify(row)}`, error),
      );
  }

  readonly list: Storage['audit']['list'] = (page) => this.#table.list(page);
}
