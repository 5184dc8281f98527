import type { EpochMs } from '@holdfast/protocol';
import { type BlobHash, isBlobHash, type KeptBytes } from '../blobs/index.ts';
import { settledOf } from '../storage/settled.ts';
import type { FilesRoom } from './room.ts';
import type { Unfinished } from './unfinished.ts';

/** How long what an upload has received is kept (stores.md §15.5.2). */
const uploadGraceMs = 24 * 3_600_000;
/** Soon after the start: a process that is ended within the hour, each time, would delete nothing, ever. */
const firstSweepMs = 60_000;
const sweepMs = 3_600_000;

/**
 * Deletes what nobody names (stores.md §14.3). A blob is condemned in the storage before its bytes are deleted, and
 * absolved after: whoever wants to name it meanwhile is told, waits, and brings it again. So no entry ever names bytes that
 * are gone, wherever the process dies. One process at a time collects.
 */
export class Collector {
  readonly #room: FilesRoom;
  readonly #unfinished: Unfinished;
  /** By a clock that has just been put ahead no upload that goes on is old. */
  readonly #settled: () => Promise<EpochMs>;
  readonly #burials = new Map<BlobHash, Promise<void>>();
  #stopped = false;
  #timer: unknown = null;
  #sweep: Promise<number> | null = null;

  constructor(room: FilesRoom, unfinished: Unfinished) {
    this.#room = room;
    this.#unfinished = unfinished;
    const { clock, storage } = room;
    this.#settled = settledOf(storage, {
      now: () => clock.wall(),
      monotonic: () => clock.now(),
    });
  }

  /** Sweeps in a minute, and once an hour from then on. */
  start(afterMs: number = firstSweepMs): void {
    const { clock, report } = this.#room;
    this.#timer = clock.setTimeout(() => {
      this.sweep().catch((error: unknown) => report('collecting files failed', error));
      this.start(sweepMs);
    }, afterMs);
  }

  /** Looks at all blobs and uploads once; resolves with how many it deleted. A sweep that runs already is joined. */
  sweep(): Promise<number> {
    this.#sweep ??= this.#sweepAll().finally(() => (this.#sweep = null));
    return this.#sweep;
  }

  /** Ends a sweep at its next step, and waits for it. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#room.clock.clearTimeout(this.#timer);
    await this.#sweep?.catch(() => 0);
  }

  /** Deletes the bytes of a condemned blob and absolves it; also where a former process died before it could. */
  bury(hash: BlobHash): Promise<void> {
    const known = this.#burials.get(hash);
    if (known !== undefined) return known;
    const burial = this.#bury(hash).finally(() => this.#burials.delete(hash));
    this.#burials.set(hash, burial);
    return burial;
  }

  async #sweepAll(): Promise<number> {
    let deleted = 0;
    const uploads: KeptBytes[] = [];
    for await (const kept of this.#room.blobs.list()) {
      if (this.#stopped) return deleted;
      if (await this.#look(kept)) deleted += 1;
      else if (!isBlobHash(kept.name)) uploads.push(kept);
    }
    this.#unfinished.inherit(uploads);
    return deleted;
  }

  async #look({ name, at }: KeptBytes): Promise<boolean> {
    const { blobs, storage } = this.#room;
    if (!isBlobHash(name)) {
      if (at > (await this.#settled()) - uploadGraceMs) return false;
      const remove = (): Promise<void> => this.#unfinished.inTurn(name, () => blobs.delete(name));
      if (!(await this.#hasDone(remove))) return false;
      this.#unfinished.done(name);
      return true;
    }
    // Where that fails it does for each of them: it ends the sweep.
    if ((await storage.files.condemn(name)) !== 'condemned') return false;
    return this.#hasDone(() => this.bury(name));
  }

  /** Bytes that cannot be deleted are no reason to keep those after them for ever. */
  async #hasDone(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#room.report('collecting files failed', error);
      return false;
    }
  }

  async #bury(hash: BlobHash): Promise<void> {
    await this.#room.blobs.delete(hash);
    await this.#room.storage.files.absolve(hash);
  }
}
