import {
  comparePaths,
  type Entry,
  type EpochMs,
  type Leaf,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import { checkBatch, clears, isPastDay, pruneLimit, retentionOf, splitOpId } from './batch.ts';
import { MemoryAudit } from './memory/audit.ts';
import { MemoryKeys } from './memory/keys.ts';
import { MemoryStores, MemoryTokens } from './memory/admin.ts';
import { MemoryDevices } from './memory/devices.ts';
import { MemoryFiles } from './memory/files.ts';
import { MemoryWebhooks } from './memory/webhooks.ts';
import {
  type Answer,
  type AnswersAsked,
  type AnswersFound,
  type AppendResult,
  type Batch,
  type ClearMarker,
  type LoadChunk,
  type LoggedOp,
  type ReadLimit,
  type Retention,
  type Storage,
  StorageError,
  type StoreHead,
  type StoreRow,
} from './port.ts';
import { type Clocks, clocksOf } from './settled.ts';

/** How to keep stores in memory. */
export type MemoryOptions = {
  readonly retention?: Partial<Retention>;
  /**
   * The wall clock; the system's by default, of which a jump ahead makes nothing old that is kept for a time (such as the
   * answers by which repeats are known) until it has stood for a day.
   */
  readonly now?: () => EpochMs;
  /** A clock in milliseconds that nobody sets, by which a jump of `now` is noticed; default: the system's, or `now` itself if given. */
  readonly monotonic?: () => number;
};

/** Keeps everything in this process and nothing beyond it: for tests and for data that may be lost. */
export function memory(options: MemoryOptions = {}): Storage {
  return new MemoryStorage(retentionOf(options.retention), clocksOf(options));
}

const chunkRows = 1000;

/** One store. */
class Shelf {
  head: Seq = 0;
  oldestSeq: Seq = 1;
  dedupeSince: EpochMs = 0;
  readonly log: LoggedOp[] = [];
  readonly entries = new Map<Path, Leaf>();
  readonly maps = new Map<Path, Seq>();
  readonly markers = new Map<Path, { readonly seq: Seq; readonly at: EpochMs }>();
  /** By device and op id, newest first. */
  readonly answers = new Map<string, readonly Answer[]>();
  /** The same, oldest first. */
  readonly given = new Set<Answer>();
  readonly highs = new Map<string, { readonly counter: number; readonly seq: Seq }>();
}

class MemoryStorage implements Storage {
  readonly stores: MemoryStores;
  readonly tokens: MemoryTokens;
  readonly devices: MemoryDevices;
  readonly files: MemoryFiles;
  readonly webhooks: MemoryWebhooks;
  readonly audit: MemoryAudit = new MemoryAudit();
  readonly keys: MemoryKeys;
  readonly now: () => EpochMs;
  readonly #retention: Retention;
  readonly #settled: () => EpochMs;
  readonly #shelves = new Map<string, Shelf>();
  #closed = false;

  constructor(retention: Retention, clocks: Clocks) {
    this.#retention = retention;
    const { now } = clocks;
    this.#settled = clocks.settled;
    this.now = now;
    this.stores = new MemoryStores(now, {
      created: (store: StoreRow, state: readonly LoadChunk[]) => this.#stock(store.id, state),
      purged: (id: string) => {
        this.#shelves.delete(id);
        this.files.purged(id);
        this.webhooks.purged(id);
      },
    });
    this.tokens = new MemoryTokens(clocks);
    this.devices = new MemoryDevices(clocks, retention);
    this.keys = new MemoryKeys(clocks);
    this.files = new MemoryFiles(clocks, (id) => this.stores.get(id));
    this.webhooks = new MemoryWebhooks(now, (id) => this.#shelves.get(id)?.head ?? null);
  }

  async open(store: string): Promise<StoreHead | null> {
    const shelf = this.#find(store);
    if (shelf === undefined) return null;
    return { head: shelf.head, oldestSeq: shelf.oldestSeq, dedupeSince: shelf.dedupeSince };
  }

  async size(): Promise<number> {
    return 0;
  }

  async *load(store: string): AsyncIterable<LoadChunk> {
    const shelf = this.#find(store);
    if (shelf === undefined) return;
    // What is taken here does not change under a consumer that takes its time.
    const seq = shelf.head;
    const entries: Entry[] = [];
    for (const [path, { value, type, revision }] of shelf.entries) {
      entries.push({ path, value, type, revision });
    }
    entries.sort((a, b) => comparePaths(a.path, b.path));
    const maps = [...shelf.maps].toSorted(([a], [b]) => comparePaths(a, b));
    for (let at = 0; at === 0 || at < entries.length; at += chunkRows) {
      yield { seq, entries: entries.slice(at, at + chunkRows), maps: [] };
    }
    for (let at = 0; at < maps.length; at += chunkRows) {
      yield { seq, entries: [], maps: maps.slice(at, at + chunkRows) };
    }
  }

  async append(store: string, expected: Seq, batch: Batch): Promise<AppendResult> {
    if (this.#closed) return { status: 'failed', message: 'The storage is closed.' };
    const head = checkBatch(expected, batch);
    const shelf = this.#shelves.get(store);
    if (shelf === undefined) return { status: 'failed', message: `There is no store ${store}.` };
    if (shelf.head !== expected) return { status: 'behind', head: shelf.head };
    for (const op of batch.ops) {
      shelf.log.push(op);
      this.files.logged(store, op);
    }
    this.#mark(shelf, batch.ops);
    for (const [path, leaf] of batch.entries) {
      this.files.changed(store, path, { from: shelf.entries.get(path), to: leaf });
      put(shelf.entries, path, leaf);
    }
    for (const [path, revision] of batch.maps) put(shelf.maps, path, revision);
    for (const answer of batch.answers) remember(shelf, answer);
    this.#pruneAnswers(shelf, batch.answers.length);
    shelf.head = head;
    return { status: 'stored' };
  }

  async read(store: string, after: Seq, limit: ReadLimit): Promise<readonly LoggedOp[]> {
    const shelf = this.#find(store);
    if (shelf === undefined) return [];
    const from = Math.max(0, after + 1 - shelf.oldestSeq);
    const ops = shelf.log.slice(from, from + limit.ops);
    if (limit.bytes === undefined) return ops;
    let bytes = 0;
    const end = ops.findIndex((op) => (bytes += bytesOf(op)) > (limit.bytes ?? Infinity));
    return end < 0 ? ops : ops.slice(0, Math.max(1, end));
  }

  async answers(store: string, { ids, clients }: AnswersAsked): Promise<AnswersFound> {
    const shelf = this.#find(store);
    const answers: Answer[] = [];
    const highs = new Map<string, number>();
    for (const { deviceId, opId } of ids) {
      answers.push(...(shelf?.answers.get(keyOf(deviceId, opId)) ?? []));
    }
    for (const client of clients) {
      const high = shelf?.highs.get(client);
      if (high !== undefined) highs.set(client, high.counter);
    }
    return { answers, highs };
  }

  async markers(store: string, after: Seq, limit: number): Promise<readonly ClearMarker[]> {
    const markers: ClearMarker[] = [];
    // Insertion order is the order of their seqs.
    for (const [path, { seq }] of this.#find(store)?.markers ?? []) {
      if (markers.length === limit) break;
      if (seq > after) markers.push({ path, seq });
    }
    return markers;
  }

  async compact(store: string, through: Seq, limit: number): Promise<Seq> {
    const shelf = this.#find(store);
    if (shelf === undefined) return 1;
    const count = Math.min(through, shelf.head, shelf.oldestSeq + limit - 1) + 1 - shelf.oldestSeq;
    if (count > 0) {
      for (const op of shelf.log.splice(0, count)) this.files.compacted(store, op);
      shelf.oldestSeq += count;
    }
    return shelf.oldestSeq;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  /** A shelf for a new store, with what is in it from the beginning. */
  #stock(store: string, state: readonly LoadChunk[]): void {
    const shelf = new Shelf();
    for (const { seq, entries, maps } of state) {
      shelf.head = seq;
      shelf.oldestSeq = seq + 1;
      for (const { path, ...leaf } of entries) {
        this.files.changed(store, path, { from: undefined, to: leaf });
        shelf.entries.set(path, leaf);
      }
      for (const [path, revision] of maps) shelf.maps.set(path, revision);
    }
    this.#shelves.set(store, shelf);
  }

  #find(store: string): Shelf | undefined {
    if (this.#closed) throw new StorageError('io', 'The storage is closed. Open it again.');
    return this.#shelves.get(store);
  }

  #mark(shelf: Shelf, ops: readonly LoggedOp[]): void {
    const at = this.now();
    for (const op of ops) {
      if (!clears(op)) continue;
      const below = `${op.path}/`;
      for (const path of shelf.markers.keys()) {
        if (path === op.path || path.startsWith(below)) shelf.markers.delete(path);
      }
      shelf.markers.set(op.path, { seq: op.seq, at });
    }
    const old = this.#settled() - this.#retention.resyncMs;
    let left = pruneLimit(ops.length);
    for (const [path, marker] of shelf.markers) {
      if (left === 0 || marker.at >= old) break;
      shelf.markers.delete(path);
      left -= 1;
    }
  }

  #pruneAnswers(shelf: Shelf, added: number): void {
    const now = this.#settled();
    let left = Math.min(shelf.given.size - this.#retention.answers, pruneLimit(added));
    for (const answer of shelf.given) {
      const { at, opId, seq } = answer;
      if (left <= 0 || !isPastDay(at, now, this.#retention)) break;
      forget(shelf, answer);
      const client = splitOpId(opId)?.client ?? '';
      if ((shelf.highs.get(client)?.seq ?? Infinity) <= seq) shelf.highs.delete(client);
      shelf.dedupeSince = Math.max(shelf.dedupeSince, at + 1);
      left -= 1;
    }
  }
}

function put<T>(map: Map<Path, T>, path: Path, value: T | null): void {
  if (value === null) map.delete(path);
  else map.set(path, value);
}

function remember(shelf: Shelf, answer: Answer): void {
  const key = keyOf(answer.deviceId, answer.opId);
  shelf.answers.set(key, [answer, ...(shelf.answers.get(key) ?? [])]);
  shelf.given.add(answer);
  const split = splitOpId(answer.opId);
  if (split === null) return;
  const counter = Math.max(split.counter, shelf.highs.get(split.client)?.counter ?? 0);
  shelf.highs.set(split.client, { counter, seq: answer.seq });
}

function forget(shelf: Shelf, answer: Answer): void {
  const key = keyOf(answer.deviceId, answer.opId);
  const others = shelf.answers.get(key)?.filter((each) => each !== answer) ?? [];
  if (others.length === 0) shelf.answers.delete(key);
  else shelf.answers.set(key, others);
  shelf.given.delete(answer);
}

/** Ids may hold any character, so the length keeps the two apart. */
function keyOf(deviceId: string, opId: string): string {
  return `${deviceId.length}:${deviceId}${opId}`;
}

function bytesOf(op: LoggedOp): number {
  return JSON.stringify([op.value, op.arg, op.removed]).length;
}
