import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs, Json, Seq } from '@holdfast/protocol';
import { checkBatch, clears, filesOf, isPastDay, pruneLimit, splitOpId } from '../batch.ts';
import type { Answer, AppendResult, Batch, LoggedOp, Retention } from '../port.ts';
import type { Desk } from './desk.ts';
import { askerText, removedText, type Row, type RowReader } from './rows.ts';
import { prepareWrites, type Writes } from './statements.ts';

/** A store's row inside the append. */
type Place = { readonly key: number; readonly head: Seq; answers: number; dedupeSince: EpochMs };

/** Writes the rows of batches; the caller holds the transaction. */
export class Appender {
  readonly #rows: RowReader;
  readonly #retention: Retention;
  readonly #now: () => EpochMs;
  readonly #settled: () => EpochMs;
  readonly #sql: Writes;

  constructor(
    db: DatabaseSync,
    rows: RowReader,
    policy: Pick<Desk, 'retention' | 'now' | 'settled'>,
  ) {
    this.#rows = rows;
    this.#retention = policy.retention;
    this.#now = policy.now;
    this.#settled = policy.settled;
    this.#sql = prepareWrites(db);
  }

  append(store: string, expected: Seq, batch: Batch): AppendResult {
    const head = checkBatch(expected, batch);
    const place = this.#place(store);
    if (place === null) return { status: 'failed', message: `There is no store ${store}.` };
    if (place.head !== expected) return { status: 'behind', head: place.head };
    this.#writeOps(place.key, batch.ops);
    this.#writeState(place.key, batch);
    this.#writeAnswers(place, batch.answers);
    this.#pruneAnswers(place, batch.answers.length);
    this.#pruneMarkers(place.key, batch.ops.length);
    this.#sql.place.run(head, place.answers, place.dedupeSince, place.key);
    return { status: 'stored' };
  }

  #place(store: string): Place | null {
    const row = this.#sql.findPlace.get(store);
    if (row === undefined) return null;
    return {
      key: this.#rows.integer(row, 'key'),
      head: this.#rows.integer(row, 'head'),
      answers: this.#rows.integer(row, 'answers'),
      dedupeSince: this.#rows.integer(row, 'dedupe_since'),
    };
  }

  #writeOps(key: number, ops: readonly LoggedOp[]): void {
    const { log } = this.#sql;
    for (const op of ops) {
      const value = textOrNull(op.value);
      log.run(
        key,
        op.seq,
        op.op,
        op.path,
        value,
        textOrNull(op.arg),
        op.deviceId,
        op.clientOpId,
        op.tx,
        op.at,
        op.principal,
        removedText(op),
      );
      if (op.removed.length > 0 && clears(op)) this.#writeMarker(key, op);
      // Looking for the words costs less than looking into every value.
      if (value?.includes(fileMark) === true || removesFile(op)) this.#writeFiles(key, op);
    }
  }

  #writeFiles(key: number, op: LoggedOp): void {
    for (const { hash, size } of filesOf(op)) {
      this.#sql.opFile.run(key, op.seq, hash, size);
      this.#sql.named.run(hash);
    }
  }

  /** A newer marker covers those at and below its path. `0` is the character after `/`. */
  #writeMarker(key: number, { path, seq }: LoggedOp): void {
    this.#sql.coverMarkers.run(key, `${path}/`, `${path}0`);
    this.#sql.marker.run(key, path, seq, this.#now());
  }

  #writeState(key: number, { entries, maps }: Batch): void {
    const { entry, dropEntry, map, dropMap } = this.#sql;
    for (const [path, leaf] of entries) {
      if (leaf === null) dropEntry.run(key, path);
      else entry.run(key, path, JSON.stringify(leaf.value), leaf.type, leaf.revision);
    }
    for (const [path, revision] of maps) {
      if (revision === null) dropMap.run(key, path);
      else map.run(key, path, revision);
    }
  }

  #writeAnswers(place: Place, answers: readonly Answer[]): void {
    const { answer, high } = this.#sql;
    const highs = new Map<string, { counter: number; seq: Seq }>();
    for (const each of answers) {
      const { opId, deviceId, fingerprint, seq, at } = each;
      const reply = textOrNull(each.reply);
      const asker = askerText(each.principal);
      answer.run(place.key, seq, opId, deviceId, fingerprint, at, reply, asker);
      const split = splitOpId(opId);
      if (split === null) continue;
      const counter = Math.max(split.counter, highs.get(split.client)?.counter ?? 0);
      highs.set(split.client, { counter, seq });
    }
    for (const [client, { counter, seq }] of highs) high.run(place.key, client, counter, seq);
    place.answers += answers.length;
  }

  /** Oldest first, while both floors of the retention are kept (stores.md §6.2). */
  #pruneAnswers(place: Place, added: number): void {
    const surplus = place.answers - this.#retention.answers;
    if (surplus <= 0) return;
    const { oldestAnswers, dropAnswer, dropHigh } = this.#sql;
    const now = this.#settled();
    const [oldest] = oldestAnswers.all(place.key, 1);
    if (oldest === undefined || !this.#isPastDay(oldest, now)) return;
    for (const row of oldestAnswers.all(place.key, Math.min(surplus, pruneLimit(added)))) {
      if (!this.#isPastDay(row, now)) break;
      const at = this.#rows.integer(row, 'at');
      const seq = this.#rows.integer(row, 'seq');
      const opId = this.#rows.text(row, 'op_id');
      dropAnswer.run(place.key, seq, opId, this.#rows.text(row, 'device_id'));
      dropHigh.run(place.key, splitOpId(opId)?.client ?? '', seq);
      place.answers -= 1;
      place.dedupeSince = Math.max(place.dedupeSince, at + 1);
    }
  }

  #isPastDay(row: Row, now: EpochMs): boolean {
    return isPastDay(this.#rows.integer(row, 'at'), now, this.#retention);
  }

  #pruneMarkers(key: number, added: number): void {
    const oldest = this.#sql.oldestMarker.get(key);
    if (oldest === undefined) return;
    const cutoff = this.#settled() - this.#retention.resyncMs;
    if (this.#rows.integer(oldest, 'at') >= cutoff) return;
    this.#sql.dropMarkers.run(key, key, pruneLimit(added), cutoff);
  }
}

const fileMark = '"_type":"file"';

function removesFile({ removed }: LoggedOp): boolean {
  return removed.some(({ type }) => type === 'file');
}

function textOrNull(value: Json | Answer['reply']): string | null {
  return value === null ? null : JSON.stringify(value);
}
