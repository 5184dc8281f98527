import type { AuditAct, AuditRow, AuditTable } from '../port.ts';

/** The table of administrative acts. */
export class MemoryAudit implements AuditTable {
  readonly #rows: AuditRow[] = [];

  async note(act: AuditAct): Promise<void> {
    this.#rows.push({ ...act, number: this.#rows.length + 1 });
  }

  async list(page: Parameters<AuditTable['list']>[0]): Promise<readonly AuditRow[]> {
    const { org, before = Infinity, limit } = page;
    const rows = this.#rows.filter((row) => row.org === org && row.number < before);
    return rows.toReversed().slice(0, limit);
  }
}
