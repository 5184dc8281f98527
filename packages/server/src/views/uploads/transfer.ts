import type { InstanceInput, UploadTarget } from '@holdfast/engine/view';
import { type UploadFaultCode, uploadFaults } from '@holdfast/protocol/views';
import type { Principal } from '../../access/index.ts';
import type { Clock } from '../../host/clock.ts';
import { looksLike } from './sniff.ts';
import type { TempFile, TempFiles } from './temp-files.ts';

/** The channel that brings the bytes of an entry. */
export type TransferSeat = {
  answer(slot: number, status: 'ok' | 'error', response: object): void;
  /** Ends the channel with `phx_close`. */
  end(): void;
};

/** What a transfer needs besides its target. */
export type TransferRoom = {
  readonly clock: Clock;
  readonly files: TempFiles;
  readonly report: (what: string, error: unknown) => void;
  /** How long bytes are kept for a client that may come back. */
  readonly keepMs: number;
};

const HEAD_BYTES = 4096;
const CHUNK_TIMEOUT_MS = 10_000;
const refusals = {
  chunk_too_large: 'chunk too large',
  too_large: 'upload too large',
  internal: 'write failed',
  not_accepted: 'not_accepted',
  preflight_rejected: 'invalid_payload',
} as const;

/** The bytes of one entry, from its first join to what becomes of its file (views.md §10.3). */
export class Transfer {
  readonly target: UploadTarget;
  /** Who alone may bring the bytes. */
  readonly owner: Principal;
  readonly #room: TransferRoom;
  readonly #step: (input: InstanceInput) => void;
  #seat: TransferSeat | null = null;
  #resumable = false;
  #file: TempFile | null = null;
  /** Held back until there is enough of it to be looked at. */
  #head: Buffer[] = [];
  #accepted = 0;
  /** A chunk is on its way to the disk. */
  #isTaking = false;
  #isSniffed: boolean;
  #state: 'open' | 'complete' | 'gone' = 'open';
  #working: Promise<void> = Promise.resolve();
  #timer: unknown = null;

  constructor(
    room: TransferRoom,
    { target, owner }: { readonly target: UploadTarget; readonly owner: Principal },
    step: (input: InstanceInput) => void,
  ) {
    this.#room = room;
    this.target = target;
    this.owner = owner;
    this.#step = step;
    this.#isSniffed = isUnsniffed(target);
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** What has come whole, to be used; null: not yet, or no more. */
  get file(): TempFile | null {
    return this.#state === 'complete' ? this.#file : null;
  }

  /** How many percent are there. */
  get progress(): number {
    const { size } = this.target.item;
    return size === 0 ? 100 : Math.floor((100 * this.#accepted) / size);
  }

  /** A channel for the bytes has been joined: the response, once it is known how much is there already. */
  async join(seat: TransferSeat, resume: boolean): Promise<object | null> {
    this.#seat?.end();
    this.#seat = seat;
    this.#resumable = resume;
    await this.#working;
    if (this.#state !== 'open' || this.#seat !== seat) return null;
    if (resume) return { offset: this.#accepted, progress: this.progress };
    if (this.#accepted > 0) await this.#restart();
    return {};
  }

  /** The reply to the join has left. */
  begin(): void {
    this.#awaitChunk();
    if (this.target.item.size === 0) this.#do(null, () => this.#takeNothing());
  }

  /** Takes one chunk. */
  push(slot: number, event: string, payload: unknown): void {
    const seat = this.#seat;
    if (event !== 'chunk' || !(payload instanceof Uint8Array)) {
      seat?.answer(slot, 'error', {
        reason: event === 'chunk' ? 'invalid_payload' : 'unknown event',
      });
      return;
    }
    if (this.#state !== 'open') return;
    const { config, item } = this.target;
    if (payload.length > config.chunk_size) {
      this.#refuse(slot, 'chunk_too_large');
      return;
    }
    // One at a time, and each brings something: nothing is to pile up here, or to go on for ever.
    if (this.#isTaking || (payload.length === 0 && item.size > 0)) {
      this.#refuse(slot, 'preflight_rejected');
      return;
    }
    const bytes = Buffer.from(payload);
    this.#isTaking = true;
    this.#do(slot, () => this.#take(slot, bytes).finally(() => (this.#isTaking = false)));
  }

  /** The channel has ended: the client left, or its connection was lost. */
  left(seat: TransferSeat, how: 'leave' | 'lost'): void {
    if (this.#seat !== seat || this.#state !== 'open') return;
    this.#seat = null;
    const drop = (): void => {
      this.#step({ type: 'broken', ref: this.target.ref, fault: null });
      this.discard();
    };
    if (how === 'lost' && this.#resumable) this.#arm(this.#room.keepMs, drop);
    else drop();
  }

  /** Nothing of it is wanted any more. */
  discard(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#room.clock.clearTimeout(this.#timer);
    this.#seat?.end();
    this.#seat = null;
    void this.#working.then(() => this.#remove());
  }

  /** One thing after the other; `slot`: who waits for an answer. */
  #do(slot: number | null, work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch((error: unknown) => {
      this.#room.report('an upload failed', error);
      if (slot !== null && this.isOpen) this.#refuse(slot, 'internal');
      else this.#fail('internal');
    });
  }

  async #take(slot: number, bytes: Buffer): Promise<void> {
    if (this.#state !== 'open') return;
    const { item } = this.target;
    if (this.#accepted + bytes.length > item.size) return this.#refuse(slot, 'too_large');
    this.#accepted += bytes.length;
    const isLast = this.#accepted === item.size;
    if (!(await this.#keep(bytes, isLast))) return this.#refuse(slot, 'not_accepted');
    // It was given up while its bytes were written.
    if (!this.isOpen) return undefined;
    if (isLast) return this.#complete(slot);
    this.#seat?.answer(slot, 'ok', { progress: this.progress });
    this.#step({ type: 'received', ref: this.target.ref, progress: this.progress });
    // Whoever has gone meanwhile may come back for as long as was said then.
    if (this.#seat !== null) this.#awaitChunk();
    return undefined;
  }

  /** Of an empty file no chunk has to come; what is not as its name says is refused all the same. */
  async #takeNothing(): Promise<void> {
    if (this.#isSniffed || (await this.#isAccepted(Buffer.alloc(0)))) return this.#complete(null);
    return this.#fail('not_accepted');
  }

  /** Writes the bytes; false: they are not what the file's name says. */
  async #keep(bytes: Buffer, isLast: boolean): Promise<boolean> {
    this.#head.push(bytes);
    if (!this.#isSniffed && this.#accepted < HEAD_BYTES && !isLast) return true;
    const all = this.#head.length === 1 ? bytes : Buffer.concat(this.#head);
    this.#head = [];
    if (!this.#isSniffed && !(await this.#isAccepted(all.subarray(0, HEAD_BYTES)))) return false;
    this.#isSniffed = true;
    this.#file ??= await this.#room.files.create(this.target.ref);
    await this.#file.append(all);
    return true;
  }

  async #isAccepted(head: Buffer): Promise<boolean> {
    const { item, definition } = this.target;
    const { sniff } = definition;
    return typeof sniff === 'function'
      ? Boolean(await sniff(head, item))
      : looksLike(item.name, head);
  }

  async #complete(slot: number | null): Promise<void> {
    if (this.#state !== 'open') return;
    this.#file ??= await this.#room.files.create(this.target.ref);
    await this.#file.close();
    if (!this.isOpen) return;
    this.#state = 'complete';
    this.#room.clock.clearTimeout(this.#timer);
    const seat = this.#seat;
    this.#seat = null;
    if (slot !== null) seat?.answer(slot, 'ok', { progress: 100 });
    this.#step({ type: 'received', ref: this.target.ref, progress: 100 });
    seat?.end();
  }

  #refuse(slot: number, code: keyof typeof refusals): void {
    this.#seat?.answer(slot, 'error', { reason: refusals[code] });
    this.#fail(code);
  }

  #fail(code: UploadFaultCode): void {
    if (this.#state !== 'open') return;
    const { ref } = this.target;
    this.#step({ type: 'broken', ref, fault: { code, message: uploadFaults[code] } });
    this.discard();
  }

  async #restart(): Promise<void> {
    this.#accepted = 0;
    this.#head = [];
    this.#isSniffed = isUnsniffed(this.target);
    await this.#remove();
    this.#file = null;
  }

  async #remove(): Promise<void> {
    this.#head = [];
    try {
      await this.#file?.remove();
    } catch (error) {
      this.#room.report('a temp file was not removed', error);
    }
  }

  #awaitChunk(): void {
    const { chunkTimeout = CHUNK_TIMEOUT_MS } = this.target.definition;
    this.#arm(chunkTimeout, () => this.#fail('chunk_timeout'));
  }

  #arm(ms: number, run: () => void): void {
    const { clock } = this.#room;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(run, ms);
  }
}

function isUnsniffed({ definition }: UploadTarget): boolean {
  return (definition.sniff ?? false) === false;
}
