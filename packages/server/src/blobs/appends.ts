import { noBytes } from './no-bytes.ts';
import { BlobError, type UploadId } from './port.ts';

/** The bytes of one append, in its turn. */
export class Turn {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #stopped = false;
  #interrupt: (why: BlobError) => void = () => undefined;

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  /** The next bytes; null at their end. Rejects as `superseded` once a later append wants the upload. */
  next(): Promise<Uint8Array | null> {
    if (this.#stopped) return Promise.reject(superseded());
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      this.#iterator
        .next()
        .then((result) => resolve(result.done === true ? null : result.value), reject);
    });
  }

  /** A later append takes over. */
  stop(): void {
    this.#stopped = true;
    this.#interrupt(superseded());
  }

  /** A source that hangs would hold up its successor: it is told, and not waited for. */
  end(): void {
    this.#iterator.return?.().catch(() => undefined);
  }
}

/** Gives each upload to one append at a time: a later one ends the earlier, and waits until it has let go. */
export class Appends {
  readonly #running = new Map<UploadId, { readonly turn: Turn; readonly ended: Promise<void> }>();

  /** A turn that adds nothing: whoever finishes an upload must not be interrupted by who adds to it, or finishes it too. */
  alone<T>(upload: UploadId, use: () => Promise<T>): Promise<T> {
    return this.run(upload, noBytes(), use);
  }

  async run<T>(
    upload: UploadId,
    bytes: AsyncIterable<Uint8Array>,
    use: (turn: Turn) => Promise<T>,
  ): Promise<T> {
    const before = this.#running.get(upload);
    const turn = new Turn(bytes);
    let end = idle;
    const ended = new Promise<void>((resolve) => (end = resolve));
    this.#running.set(upload, { turn, ended });
    before?.turn.stop();
    await before?.ended;
    try {
      return await use(turn);
    } finally {
      if (this.#running.get(upload)?.turn === turn) this.#running.delete(upload);
      end();
      turn.end();
    }
  }
}

const idle = (): void => undefined;

function superseded(): BlobError {
  return new BlobError('superseded', 'Another request goes on with this upload.');
}

/** The refusal of bytes that do not go on where the upload stands. */
export function wrongOffset(from: number, received: number): BlobError {
  return new BlobError('offset', `The upload stands at ${received}, not at ${from}.`);
}
