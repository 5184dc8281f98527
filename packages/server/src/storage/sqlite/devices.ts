import type { DeviceId, EpochMs, StoreName } from '@holdfast/protocol';
import { devicesDropped, devicesMax, forgottenDevices } from '../batch.ts';
import type { DeviceRecord, DeviceTable } from '../port.ts';
import type { Desk } from './desk.ts';
import { askerIn, askerText } from './rows.ts';
import { prepareAll } from './statements.ts';

const dayMs = 24 * 3_600_000;
const prunedDevices = 16;

type Found = { readonly record: DeviceRecord; readonly usedAt: EpochMs };

/** The table of capver-3 devices. */
export class SqliteDevices implements DeviceTable {
  readonly #desk: Desk;
  readonly #sql;
  /** How many more may become known of a store before they have to be counted again: to count is to look at all of them. */
  readonly #room = new Map<StoreName, number>();

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      get: `SELECT incarnation, scope, unconfirmed, used_at, subject FROM devices
        WHERE name = ? AND device_id = ?`,
      put: `INSERT INTO devices (name, device_id, incarnation, scope, unconfirmed, used_at, subject)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET incarnation = excluded.incarnation,
        scope = excluded.scope, unconfirmed = excluded.unconfirmed, used_at = excluded.used_at,
        subject = excluded.subject`,
      count: 'SELECT count(*) AS count FROM devices WHERE name = ? AND device_id <> ?',
      drop: `DELETE FROM devices WHERE name = ? AND device_id IN
        (SELECT device_id FROM devices WHERE name = ? AND device_id <> ? ORDER BY used_at LIMIT ?)`,
      prune: `DELETE FROM devices WHERE (name, device_id) IN
        (SELECT name, device_id FROM devices WHERE used_at < ? ORDER BY used_at LIMIT ?)`,
    });
  }

  async get(store: StoreName, device: DeviceId): Promise<DeviceRecord | 'forgotten' | null> {
    const found = this.#find(store, device);
    if (found !== null) return found.record;
    return this.#find(store, forgottenDevices) === null ? null : 'forgotten';
  }

  async put(store: StoreName, device: DeviceId, record: DeviceRecord): Promise<void> {
    const now = this.#desk.now();
    const found = this.#find(store, device);
    if (found !== null && isRecent(found, now) && isSame(found.record, record)) return;
    await this.#desk.commits.enqueue(1, () => {
      if (found === null) this.#makeRoom(store, now);
      this.#write(store, device, { record, usedAt: now });
      this.#sql.prune.run(this.#desk.settled() - this.#desk.retention.resyncMs, prunedDevices);
    });
  }

  /** Inside a transaction, before a device is added. */
  #makeRoom(store: StoreName, now: EpochMs): void {
    let room = this.#room.get(store) ?? 0;
    if (room === 0) room = devicesMax - this.#count(store);
    this.#room.set(store, Math.max(0, room - 1));
    if (room > 0) return;
    this.#sql.drop.run(store, store, forgottenDevices, devicesDropped);
    const record = { incarnation: '', scope: '', unconfirmed: true };
    this.#write(store, forgottenDevices, { record, usedAt: now });
  }

  #count(store: StoreName): number {
    const row = this.#sql.count.get(store, forgottenDevices);
    return row === undefined ? 0 : this.#desk.rows.integer(row, 'count');
  }

  #write(store: StoreName, device: string, { record, usedAt }: Found): void {
    const { incarnation, scope, unconfirmed, subject } = record;
    const whose = askerText(subject);
    this.#sql.put.run(store, device, incarnation, scope, unconfirmed ? 1 : 0, usedAt, whose);
  }

  #find(store: StoreName, device: string): Found | null {
    const { commits, rows } = this.#desk;
    return commits.read(() => {
      const row = this.#sql.get.get(store, device);
      if (row === undefined) return null;
      const subject = askerIn(rows.textOrNull(row, 'subject'));
      const record = {
        incarnation: rows.text(row, 'incarnation'),
        scope: rows.text(row, 'scope'),
        unconfirmed: rows.integer(row, 'unconfirmed') === 1,
        ...(subject !== undefined && { subject }),
      };
      return { record, usedAt: rows.integer(row, 'used_at') };
    });
  }
}

function isRecent({ usedAt }: Found, now: EpochMs): boolean {
  return usedAt > now - dayMs && usedAt <= now;
}

function isSame(a: DeviceRecord, b: DeviceRecord): boolean {
  if (a.unconfirmed !== b.unconfirmed || a.subject !== b.subject) return false;
  return a.incarnation === b.incarnation && a.scope === b.scope;
}
