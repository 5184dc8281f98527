import { HoldfastError, type JsonObject, type UploadEntry } from '@holdfast/protocol';
import {
  type AllowUploadReply,
  type NodeId,
  readAllowUploadReply,
  uploadFaults,
  type UploadGrant,
} from '@holdfast/protocol/views';
import type { NodeKey } from '@holdfast/engine/mirror';
import { type OwnUploadOp, UploadBook } from '@holdfast/engine/mirror/uploads';
import { deferred } from '@holdfast/engine/registry';
import { closedError } from '../mistakes.ts';
import type { Room } from '../room.ts';
import { ChannelTransfer } from './channel-transfer.ts';
import { encodeChunks } from './chunks.ts';
import { endOf, outcomeOf, selectedOf } from './outcomes.ts';
import { presigned } from './presigned.ts';
import type { Mounted, Root } from './root.ts';
import type {
  SelectedFile,
  SelectOptions,
  StartOptions,
  Uploader,
  UploadFile,
  UploadOutcome,
  UploadSlot,
} from './upload.ts';

/** One accepted file. */
type Task = {
  readonly slot: UploadSlot;
  readonly file: UploadFile;
  readonly grant: UploadGrant;
  readonly chunkSize: number;
  /** When the token was given. */
  readonly grantedAt: number;
  readonly abort: AbortController;
  isStarted: boolean;
  /** Its user has taken it back. */
  isCancelled: boolean;
  outcome: UploadOutcome | null;
};

const concurrencyDefault = 3;

/** In a shared view one's own entries come in an envelope of their own, right after the tree (views.md §5.3). */
const returnMs = 1000;

/** Sends the files of one root (views.md §10, §12.11). Loaded when there is one. */
export class Transfers {
  readonly #root: Root;
  readonly #room: Room;
  readonly #uploaders: ReadonlyMap<string, Uploader>;
  /** By entry ref. */
  readonly #tasks = new Map<string, Task>();
  /** Where the server may have let in files that nobody here knows of. */
  readonly #doubted = new Set<string>();

  constructor(root: Root, room: Room, uploaders: ReadonlyMap<string, Uploader>) {
    this.#root = root;
    this.#room = room;
    this.#uploaders = uploaders;
    encodeChunks(room.uplink);
  }

  async select(
    slot: UploadSlot,
    files: readonly UploadFile[],
    { autoStart = false }: SelectOptions = {},
  ): Promise<readonly SelectedFile[]> {
    if (files.length === 0) return [];
    this.#show(slot, { phase: 'selecting', errors: [] });
    const entries = files.map(({ name, size, type }, index) => ({
      client_ref: String(index),
      name,
      size,
      type,
    }));
    const reply = await this.#announce(slot, entries);
    for (const [clientRef, grant] of Object.entries(reply.entries)) {
      const file = files[Number(clientRef)];
      const chunkSize = reply.config.chunk_size;
      if (file !== undefined) this.#accept({ slot, file, grant, chunkSize });
    }
    this.#show(slot, { phase: 'idle', errors: reply.errors.map(({ error }) => error) });
    if (autoStart) void this.start(slot);
    return files.map((file, index) => selectedOf(file, String(index), reply));
  }

  async #announce(slot: UploadSlot, entries: readonly object[]): Promise<AllowUploadReply> {
    try {
      if (this.#doubted.has(keyOf(slot))) await this.#clear(slot);
      const reply = readAllowUploadReply(await this.#ask(slot, 'allow_upload', { entries }));
      if (reply === null) throw new HoldfastError('protocol', { event: 'allow_upload' });
      return reply;
    } catch (error) {
      const isKnown = error instanceof HoldfastError;
      const message = error instanceof Error ? error.message : String(error);
      const code = isKnown ? error.code : 'preflight_rejected';
      this.#show(slot, { phase: 'idle', errors: [{ code, message }] });
      if (isKnown && error.details['mayHaveRun'] === true) {
        this.#doubted.add(keyOf(slot));
        void this.#clear(slot).catch(() => undefined);
      }
      throw error;
    }
  }

  /** Sends what has not been started, some at a time; each ends in its own way. */
  async start(
    slot: UploadSlot,
    { concurrency = concurrencyDefault }: StartOptions = {},
  ): Promise<readonly UploadOutcome[]> {
    const tasks = this.#of(slot).filter(({ isStarted }) => !isStarted);
    // At once, so that a second start finds none of them.
    for (const task of tasks) task.isStarted = true;
    if (tasks.length === 0) return [];
    this.#show(slot, { phase: 'uploading' });
    const waiting = [...tasks];
    const work = async (): Promise<void> => {
      for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
        task.outcome = await this.#run(task);
        // Its file is to be held no longer.
        this.#tasks.delete(task.grant.entry_ref);
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, concurrency) }, work));
    const isOver = this.#of(slot).every(({ isStarted, outcome }) => !isStarted || outcome !== null);
    const isCancelled = tasks.every(({ outcome }) => outcome?.status === 'cancelled');
    if (isOver) this.#show(slot, { phase: isCancelled ? 'cancelled' : 'idle' });
    return tasks.flatMap(({ outcome }) => outcome ?? []);
  }

  async cancel(slot: UploadSlot, ref?: string): Promise<void> {
    const shown = this.#entries(slot);
    const own = this.#of(slot).map(({ grant }) => grant.entry_ref);
    // What was let in a moment ago is not shown yet.
    const unheard = own.filter((each) => !shown.some((entry) => entry.ref === each));
    const open = [...shown.filter(isOpen).map((entry) => entry.ref), ...unheard];
    const isKnown = (each: string): boolean =>
      open.includes(each) || shown.some((entry) => entry.ref === each);
    const meant = ref === undefined ? open : [ref].filter(isKnown);
    for (const each of meant) {
      const task = this.#tasks.get(each);
      if (task === undefined) continue;
      task.isCancelled = true;
      task.abort.abort();
    }
    await Promise.all(meant.map((each) => this.#ask(slot, 'cancel_upload', { ref: each })));
    const rest = this.#entries(slot).filter(isOpen);
    const areGone = rest.every((entry) => meant.includes(entry.ref));
    const wasOpen = meant.some((each) => open.includes(each));
    if (areGone && wasOpen) this.#show(slot, { phase: 'cancelled' });
  }

  async reset(slot: UploadSlot): Promise<void> {
    const failed = this.#entries(slot).filter(({ status }) => status === 'error');
    this.#show(slot, { phase: 'idle', errors: [] });
    await Promise.all(failed.map(({ ref }) => this.#ask(slot, 'cancel_upload', { ref })));
  }

  /** Takes back files of which the answer that they were let in was lost: nobody here can send them. */
  async #clear(slot: UploadSlot): Promise<void> {
    // Of no entry: by its answer all that was let in before is known here.
    await this.#ask(slot, 'cancel_upload', { ref: 'none' });
    const strays = this.#entries(slot).filter(
      (entry) => isOpen(entry) && !this.#tasks.has(entry.ref),
    );
    await Promise.all(strays.map(({ ref }) => this.#ask(slot, 'cancel_upload', { ref })));
    this.#doubted.delete(keyOf(slot));
  }

  #accept(task: Pick<Task, 'slot' | 'file' | 'grant' | 'chunkSize'>): void {
    this.#tasks.set(task.grant.entry_ref, {
      ...task,
      grantedAt: this.#room.settings.env.now(),
      abort: new AbortController(),
      isStarted: false,
      isCancelled: false,
      outcome: null,
    });
  }

  async #run(task: Task): Promise<UploadOutcome> {
    const { slot, grant, abort } = task;
    const ref = grant.entry_ref;
    const { signal } = abort;
    const { isThere, off } = this.#follow(task);
    try {
      if (signal.aborted || this.#root.mount === null) return { ref, status: 'cancelled' };
      if (grant.type === 'channel') await this.#byChannel(task, grant.token, isThere);
      else await this.#elsewhere(task, grant);
      return await this.#settled(task);
    } catch (error) {
      return outcomeOf(error, { ref, entry: this.#entry(slot, ref), isAborted: signal.aborted });
    } finally {
      off();
    }
  }

  #byChannel(
    { slot, file, grant, chunkSize, grantedAt, abort }: Task,
    token: string,
    isThere: () => Promise<boolean>,
  ): Promise<void> {
    const mount = this.#mount();
    const ref = grant.entry_ref;
    const renew = async (): Promise<string> => {
      const { token: renewed } = await this.#ask(slot, 'refresh_upload', { ref });
      if (typeof renewed === 'string') return renewed;
      throw new HoldfastError('protocol', { event: 'refresh_upload' });
    };
    const ports = { uplink: this.#room.uplink, mount, signal: abort.signal, renew, isThere };
    return new ChannelTransfer(ports, { ref, file, chunkSize, token, grantedAt }).run();
  }

  async #elsewhere(
    task: Task,
    grant: Extract<UploadGrant, { readonly type: 'external' }>,
  ): Promise<void> {
    const { slot, file, abort } = task;
    const { entry_ref: ref, uploader: name, meta } = grant;
    const uploader = this.#uploaders.get(name) ?? (name === 'presigned' ? presigned : undefined);
    const tell = this.#teller(slot, ref);
    try {
      if (uploader === undefined) throw new TypeError(`There is no uploader "${name}".`);
      await uploader({ file, meta, signal: abort.signal, progress: tell });
    } catch (error) {
      if (abort.signal.aborted) throw error;
      const message = error instanceof Error ? error.message : String(error);
      const problem = { code: 'external_failed', message: message.slice(0, 200) };
      if (uploader === undefined) {
        const { external_failed: text } = uploadFaults;
        this.#show(slot, { errors: [{ code: 'external_failed', message: text }] });
      }
      await this.#ask(slot, 'upload_error', { ref, ...problem });
      throw new HoldfastError('external_failed', {}, message);
    }
    await this.#ask(slot, 'upload_progress', { ref, progress: 100 });
  }

  /** Tells the server how far an upload is: one telling at a time, the last one always. */
  #teller(slot: UploadSlot, ref: string): (percent: number) => void {
    let next: number | null = null;
    let isTelling = false;
    const tell = async (): Promise<void> => {
      isTelling = true;
      for (let progress = next; progress !== null; progress = next) {
        next = null;
        await this.#ask(slot, 'upload_progress', { ref, progress }).catch(() => undefined);
      }
      isTelling = false;
    };
    return (percent) => {
      // The last step is told when the uploader is done.
      const step = Math.min(99, Math.max(0, Math.floor(percent)));
      next = Number.isNaN(step) ? 0 : step;
      if (!isTelling) void tell();
    };
  }

  /** Waits until the server has said what became of a file that it has. */
  #settled(task: Task): Promise<UploadOutcome> {
    const { slot, grant } = task;
    const { entry_ref: ref } = grant;
    const { promise, resolve } = deferred<UploadOutcome>();
    const { health } = this.#root;
    const { instance } = health.get();
    const look = (): void => {
      const entry = this.#entry(slot, ref);
      if (entry?.status === 'pending' || entry?.status === 'uploading') return;
      // Who had it is no more, or tells nothing more, and nobody knows what became of it.
      const isLost = this.#root.mount === null || health.get().instance !== instance;
      const isCancelled = entry === undefined && (isLost || task.isCancelled);
      resolve(isCancelled ? { ref, status: 'cancelled' } : endOf(ref, entry));
    };
    const off = this.#root.wait(look);
    look();
    void promise.then(off);
    return promise;
  }

  /** Gives a task up once the server has dropped its entry. */
  #follow({ slot, grant, abort }: Task): {
    readonly isThere: () => Promise<boolean>;
    readonly off: () => void;
  } {
    const { health, mount } = this.#root;
    const has = (): boolean => this.#entry(slot, grant.entry_ref) !== undefined;
    let { instance } = health.get();
    let [wasThere, mayReturn] = [false, false];
    const isThere = async (): Promise<boolean> => has() || (mayReturn && this.#returns(has));
    const mounted = (resumed: boolean): void => {
      const { instance: now } = health.get();
      mayReturn = !resumed && now !== undefined && now === instance;
      instance = now;
    };
    const leave = this.#root.wait(() => {
      const isGone = wasThere && !has();
      wasThere = has();
      const isFailed = this.#entry(slot, grant.entry_ref)?.status === 'error';
      // What is of a mount that is over is gone, be it known here yet or not.
      if (isFailed || this.#root.mount !== mount) abort.abort();
      else if (isGone) void isThere().then((isBack) => isBack || abort.abort());
      mayReturn = false;
    });
    mount?.lives.add(mounted);
    const off = (): void => {
      leave();
      mount?.lives.delete(mounted);
    };
    return { isThere, off };
  }

  /** Waits a moment for something that the server may still tell. */
  #returns(has: () => boolean): Promise<boolean> {
    const { env } = this.#room.settings;
    const { promise, resolve } = deferred<boolean>();
    const timer = env.setTimeout(() => resolve(false), returnMs);
    const off = this.#root.wait(() => (has() ? resolve(true) : undefined));
    return promise.finally(() => {
      env.clearTimeout(timer);
      off();
    });
  }

  #of({ node, name }: UploadSlot): readonly Task[] {
    return [...this.#tasks.values()].filter(({ slot }) => slot.node === node && slot.name === name);
  }

  #entries({ node, name }: UploadSlot): readonly UploadEntry[] {
    return this.#root.mount?.mirror.upload(node, name).entries ?? [];
  }

  #entry(slot: UploadSlot, ref: string): UploadEntry | undefined {
    return this.#entries(slot).find((entry) => entry.ref === ref);
  }

  /** Shows what is done with an upload here. */
  #show({ node, name }: UploadSlot, change: Pick<OwnUploadOp, 'phase' | 'errors'>): void {
    const { mount } = this.#root;
    const own: OwnUploadOp = { op: 'own', store_id: idOf(node), upload: name, ...change };
    mount?.mirror.useReader(new UploadBook());
    mount?.mirror.readUploads([own]);
    mount?.changed();
  }

  #ask({ node, name }: UploadSlot, event: string, rest: object): Promise<JsonObject> {
    // Only what lets files in must not be said twice.
    const isIdempotent = event !== 'allow_upload';
    return this.#mount().ask({ event, storeId: idOf(node), name, rest, isIdempotent });
  }

  #mount(): Mounted {
    const { mount } = this.#root;
    if (mount === null) throw closedError('view');
    return mount;
  }
}

function keyOf({ node, name }: UploadSlot): string {
  return node + name;
}

function idOf(node: NodeKey): NodeId {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key is the text of an id
  return JSON.parse(node) as NodeId;
}

function isOpen({ status }: UploadEntry): boolean {
  return status === 'pending' || status === 'uploading';
}
