import { HoldfastError, RejectedError } from '@holdfast/protocol';
import {
  answerOf,
  type StoreAnswer,
  type StoreDesk,
  Patience,
  send,
  settled,
  TryLater,
} from './store-call.ts';
import { hashOf } from './file-hash.ts';

/** How far an upload is; `total` is null where nobody knows. */
export type FileProgress = { readonly sent: number; readonly total: number | null };

/** One upload. */
export type Upload = {
  readonly desk: StoreDesk;
  readonly path: string;
  readonly filename: string | null;
  /** `KEY:TOKEN` of the lease that it relies on. */
  readonly fence: string | null;
  /** Guards, the content type, and what makes repeats harmless. */
  readonly headers: { readonly [name: string]: string };
  readonly onProgress: (progress: FileProgress) => void;
  readonly signal: AbortSignal | undefined;
};

const pieceBytes = { first: 256 * 1024, max: 8 * 1024 * 1024 };
/** A piece that takes less makes the next one twice as large. */
const shortMs = 1000;

/**
 * Sends content that can be read again: its hash first, so that what the server holds already is not sent, and what breaks
 * off goes on from what it has received (stores.md §15.5.2).
 */
export async function sendBlob(upload: Upload, content: Blob): Promise<StoreAnswer> {
  for (let isRepeat = false; ; isRepeat = true) {
    const hash = await hashOf(content, upload.desk.settings.env, upload.signal);
    try {
      return await new Sending(upload, { content, hash }).run();
    } catch (error) {
      // What was read is not what was hashed: a file that was written meanwhile.
      if (isRepeat || !isMismatch(error)) throw error;
    }
  }
}

/** Sends content that can be read once, in one go; what breaks off is lost. */
export async function sendStream(
  upload: Upload,
  content: ReadableStream<Uint8Array>,
): Promise<StoreAnswer> {
  const reader = content.getReader();
  let sent = 0;
  const faults: unknown[] = [];
  const counted = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const read = await reader.read().catch((error: unknown) => {
        faults.push(error);
        throw error;
      });
      if (read.done) {
        controller.close();
        return;
      }
      sent += read.value.byteLength;
      controller.enqueue(read.value);
      upload.onProgress({ sent, total: null });
    },
    cancel: (reason) => reader.cancel(reason),
  });
  try {
    const response = await send(upload.desk, requestOf(upload, { body: counted }));
    return await outcomeOf(response, upload.signal, null);
  } catch (error) {
    upload.signal?.throwIfAborted();
    // Where the content fails the platform says no more than that nothing arrived.
    throw faults.length > 0 ? faults[0] : settled(error, upload.signal);
  }
}

class Sending {
  readonly #upload: Upload;
  readonly #content: Blob;
  readonly #hash: string;
  #pieceBytes = pieceBytes.first;
  readonly #patience: Patience;

  constructor(upload: Upload, what: { readonly content: Blob; readonly hash: string }) {
    this.#upload = upload;
    this.#content = what.content;
    this.#hash = what.hash;
    this.#patience = new Patience(upload.desk);
  }

  async run(): Promise<StoreAnswer> {
    const total = this.#content.size;
    // A small file is sent at once; of a larger one the server may have something.
    let received: number | null = total > 0 && total <= this.#pieceBytes ? 0 : null;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other
      const answer = await this.#attempt(received);
      if (answer === 'again') continue;
      if (answer === null) received = null;
      else if (isDone(answer)) {
        this.#upload.onProgress({ sent: total, total });
        return answer;
      } else {
        received = Number(answer.fields['received']);
        this.#upload.onProgress({ sent: received, total });
      }
    }
  }

  /**
   * Sends the piece from there on, or asks where to begin; null: the line broke, and it is to be asked. What the server has put
   * off is sent again as it was: to ask is a write as well, and would take the turn of the piece each time.
   */
  async #attempt(from: number | null): Promise<StoreAnswer | 'again' | null> {
    const { desk, signal } = this.#upload;
    const { env } = desk.settings;
    const startedAt = env.now();
    try {
      const response = await send(desk, this.#request(from));
      const answer = await outcomeOf(response, signal, this.#content.size);
      this.#patience.rest();
      const isShort = from !== null && env.now() - startedAt < shortMs;
      if (isShort) this.#pieceBytes = Math.min(2 * this.#pieceBytes, pieceBytes.max);
      return answer;
    } catch (error) {
      await this.#patience.wait(error, signal);
      if (error instanceof TryLater && error.afterMs !== null) return 'again';
      this.#pieceBytes = pieceBytes.first;
      return null;
    }
  }

  #request(from: number | null): Parameters<typeof send>[1] {
    const { size } = this.#content;
    const to = from === null ? 0 : Math.min(size, from + this.#pieceBytes);
    const range = from === null || to <= from ? '*' : `${from}-${to - 1}`;
    const headers = {
      'holdfast-content-hash': this.#hash,
      'content-range': `bytes ${range}/${size}`,
    };
    return requestOf(this.#upload, {
      headers,
      ...(from !== null && to > from && { body: this.#content.slice(from, to) }),
    });
  }
}

/** What an upload was answered with. Between us and the server may be what answers everything itself. */
async function outcomeOf(
  response: Response,
  signal: AbortSignal | undefined,
  total: number | null,
): Promise<StoreAnswer> {
  const answer = await answerOf(response, signal);
  const { store_seq: seq, hash, size, content_type: type, received } = answer.fields;
  const isAnswer = isDone(answer)
    ? isCount(seq) && typeof hash === 'string' && isCount(size) && typeof type === 'string'
    : isCount(received) && total !== null && received <= total;
  if (!isAnswer) throw new TryLater('no answer of the server');
  return answer;
}

function isDone({ status }: StoreAnswer): boolean {
  return status === 200 || status === 201;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function requestOf(
  { path, filename, fence, headers, signal }: Upload,
  more: { readonly headers?: object; readonly body?: Blob | ReadableStream<Uint8Array> },
): Parameters<typeof send>[1] {
  const { body } = more;
  return {
    method: 'PUT',
    route: 'file',
    query: { path, ...(filename !== null && { filename }), ...(fence && { fence }) },
    headers: { ...headers, ...more.headers },
    signal,
    ...(body !== undefined && { body }),
  };
}

function isMismatch(error: unknown): boolean {
  return error instanceof HoldfastError && !(error instanceof RejectedError)
    ? error.details['error'] === 'digest_mismatch'
    : false;
}
