import {
  fenceOf,
  type Fencing,
  HoldfastError,
  isRefusal,
  RejectedError,
  type Seq,
} from '@holdfast/protocol';
import { piecesOf } from './file-hash.ts';
import { type FileProgress, sendBlob, sendStream, type Upload } from './file-upload.ts';
import { handled } from './handled.ts';
import { checkOptions } from './mistakes.ts';
import {
  answerOf,
  arrival,
  Patience,
  send,
  type StoreDesk,
  TryLater,
  whileOpen,
} from './store-call.ts';

export type { FileProgress };

/** What a file can be made of. What can be read again is sent only as far as the server lacks it, and goes on after a break. */
export type FileContent =
  | Blob
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** How a file is written. */
export type PutFileOptions = {
  /** Default: that of a `File`, else none. */
  readonly filename?: string;
  /** Default: that of a `Blob`, else `application/octet-stream`. */
  readonly contentType?: string;
  /** Only if the entry has this revision. */
  readonly ifMatch?: Seq;
  /** Only if nothing is there. */
  readonly ifAbsent?: boolean;
  /** Only while this lease is held, until it is committed: a `Lease`, or what names one. Else refused with `fenced`. */
  readonly fence?: Fencing;
  /** Hears how far it is, from the first piece on. */
  readonly onProgress?: (progress: FileProgress) => void;
  /** Gives up. What was received is kept for a day, and the next attempt goes on from there. */
  readonly signal?: AbortSignal;
};

/** A file as its entry says it. */
export type FileInfo = {
  /** `sha256:<hex>` of the content. */
  readonly hash: string;
  readonly size: number;
  readonly contentType: string;
  readonly filename: string | null;
};

/** A file that was written, and the seq of its commit. */
export type StoredFile = FileInfo & { readonly seq: Seq };

/** How a file is read. */
export type GetFileOptions = {
  /** The part from `start`, up to but without `end`; default: all of it. */
  readonly range?: { readonly start: number; readonly end?: number };
  readonly signal?: AbortSignal;
};

/** A file that is being read; its bytes are on their way, and are to be read once. */
export type OpenFile = FileInfo & {
  /** Goes on by itself where the line breaks. */
  readonly stream: ReadableStream<Uint8Array>;
  /** All of it, in one piece. */
  blob(): Promise<Blob>;
};

/** What files need of a handle. */
export type FilePlace = StoreDesk & { readonly path: string };

const reopensMax = 5;

/** Writes a file; resolves when it is committed, and read here too, where the store is connected (stores.md §15.5). */
export async function putFile(
  at: FilePlace,
  content: FileContent,
  options: PutFileOptions = {},
): Promise<StoredFile> {
  checkOptions('putFile', options, {
    filename: 'string',
    contentType: 'string',
    ifMatch: 'number',
    ifAbsent: 'boolean',
    fence: 'object',
    onProgress: 'function',
    signal: 'object',
  });
  const { signal, letGo } = whileOpen(at, options.signal);
  try {
    const upload = uploadOf(at, content, { ...options, signal });
    const source = await sourceOf(content);
    const { fields } =
      source instanceof Blob ? await sendBlob(upload, source) : await sendStream(upload, source);
    const seq = Number(fields['store_seq']);
    await arrival(at, seq, signal);
    const [hash, contentType] = [String(fields['hash']), String(fields['content_type'])];
    return { seq, hash, size: Number(fields['size']), contentType, filename: upload.filename };
  } finally {
    letGo();
  }
}

/** Opens a file, or a part of it; undefined where no file is (stores.md §15.5.3). */
export async function getFile(
  at: FilePlace,
  options: GetFileOptions = {},
): Promise<OpenFile | undefined> {
  checkOptions('getFile', options, { range: 'object', signal: 'object' });
  const { start = 0, end } = options.range ?? {};
  const isWhole = options.range === undefined;
  if (end !== undefined && end <= start) throw new RangeError('getFile: the range is empty.');
  const range = { start, end: end ?? null };
  const { signal, letGo } = whileOpen(at, options.signal);
  const response = await openSized(at, isWhole ? null : range, signal).catch((error: unknown) => {
    letGo();
    throw error;
  });
  if (response.status === 404) {
    await response.body?.cancel();
    letGo();
    return undefined;
  }
  const info = infoOf(response);
  const last = Math.min(end ?? info.size, info.size);
  const body = streamOf(
    bytesOf({ at, info, end: last, signal, letGo }, { response, start }),
    letGo,
  );
  return {
    ...info,
    stream: body,
    blob: () =>
      handled(async () => {
        const blob = await new Response(body).blob();
        return blob.slice(0, blob.size, info.contentType);
      }),
  };
}

function uploadOf(at: FilePlace, content: FileContent, options: PutFileOptions): Upload {
  const { ifMatch, ifAbsent = false, onProgress, signal } = options;
  const own = content instanceof Blob && 'name' in content ? String(content.name) : null;
  const type = content instanceof Blob && content.type !== '' ? content.type : null;
  return {
    desk: at,
    path: at.path,
    filename: options.filename ?? own,
    fence: leaseOf(options),
    headers: {
      'content-type': options.contentType ?? type ?? 'application/octet-stream',
      // One for all pieces and attempts: a commit whose answer was lost is answered again.
      'idempotency-key': at.settings.env.randomId() + at.settings.env.randomId(),
      // Revision 0 never matches, which a header can say of a weak tag only (stores.md §5.1.1, §15.1.3).
      ...(ifMatch !== undefined && { 'if-match': `${ifMatch === 0 ? 'W/' : ''}"${ifMatch}"` }),
      ...(ifAbsent && { 'if-none-match': '*' }),
    },
    onProgress: (progress) => {
      if (onProgress === undefined) return;
      try {
        onProgress(progress);
      } catch (error) {
        at.settings.report(error);
      }
    },
    signal,
  };
}

/** The lease that a file relies on, as its route takes it. */
function leaseOf({ fence }: PutFileOptions): string | null {
  if (fence === undefined) return null;
  const held = fenceOf(fence);
  if (isRefusal(held)) throw RejectedError.from(held);
  return `${held.key}:${held.token}`;
}

/** Browsers keep large blobs on disk, and most cannot send streams; elsewhere a stream is sent as it comes. */
async function sourceOf(content: FileContent): Promise<Blob | ReadableStream<Uint8Array>> {
  if (content instanceof Blob) return content;
  // A copy: the caller may use its buffer again.
  if (content instanceof Uint8Array) return new Blob([content.slice()]);
  const stream = content instanceof ReadableStream ? content : streamOf(content);
  const isBrowser = 'document' in globalThis || 'WorkerGlobalScope' in globalThis;
  return isBrowser ? new Response(stream).blob() : stream;
}

/** `cancelled` ends what the iterator waits for: it hears of the end no sooner. */
function streamOf(
  content: AsyncIterable<Uint8Array>,
  cancelled?: () => void,
): ReadableStream<Uint8Array> {
  const iterator = content[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      cancelled?.();
      await iterator.return?.();
    },
  });
}

/** Opens what is asked for. Of a whole that a proxy has compressed no header says how long it is; of a part one does. */
async function openSized(
  at: FilePlace,
  range: Part | null,
  signal: AbortSignal,
): Promise<Response> {
  const asked = range && rangeHeader(range);
  const response = await open(at, asked === null ? {} : { range: asked }, signal);
  const { status, headers } = response;
  const isSized = headers.has('content-length') && !headers.has('content-encoding');
  const isOther = isElsewhere(headers, range?.start);
  if (!isOther && (status !== 200 || (asked === null && isSized))) return response;
  await response.body?.cancel();
  // What begins elsewhere than asked is not what was asked for.
  if (isOther || asked !== null) throw new HoldfastError('unavailable', { range: asked });
  return openSized(at, { start: 0, end: null }, signal).catch((error: unknown) => {
    if (!(error instanceof RangeError)) throw error;
    // Nothing has no parts: the file is empty.
    return new Response(null, {
      headers: { ...Object.fromEntries(headers), 'content-length': '0' },
    });
  });
}

async function open(
  at: FilePlace,
  headers: { readonly [name: string]: string },
  signal: AbortSignal | undefined,
): Promise<Response> {
  const request = { method: 'GET', route: 'file', query: { path: at.path } } as const;
  for (const patience = new Patience(at); ;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- until there is an answer
      const response = await send(at, { ...request, headers, signal });
      if (isAnswer(response)) return response;
      if (response.ok) {
        // Nobody reads it, however long it is.
        response.body?.cancel().catch(() => undefined);
        throw new TryLater('no file of the server');
      }
      if (response.status === 416) throw new RangeError('getFile: it begins beyond the end.');
      // oxlint-disable-next-line no-await-in-loop -- it throws why there is none
      await answerOf(response, signal);
    } catch (error) {
      // oxlint-disable-next-line no-await-in-loop -- before the next attempt
      await patience.wait(error, signal);
    }
  }
}

/** Between us and the server may be what answers everything itself, such as the page of a hotel's network. */
function isAnswer({ ok, status, headers }: Response): boolean {
  if (status === 404) return headers.get('content-type')?.includes('json') === true;
  return ok && hashIn(headers) !== undefined;
}

function hashIn(headers: Headers): string | undefined {
  return /sha256:\w+/.exec(headers.get('etag') ?? '')?.[0];
}

type Part = { readonly start: number; readonly end: number | null };

function rangeHeader({ start, end }: Part): string {
  return `bytes=${start}-${end === null ? '' : end - 1}`;
}

/** Whether it is a part that begins somewhere else: what stands between may answer with one that it has. */
function isElsewhere(headers: Headers, start = 0): boolean {
  const [, from] = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '') ?? [];
  return from !== undefined && Number(from) !== start;
}

function infoOf({ headers }: Response): FileInfo {
  const whole = /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1];
  const name = /filename\*=UTF-8''([^;]+)/.exec(headers.get('content-disposition') ?? '')?.[1];
  return {
    hash: hashIn(headers) ?? '',
    size: Number(whole ?? headers.get('content-length')),
    contentType: headers.get('content-type') ?? 'application/octet-stream',
    filename: name === undefined ? null : decodeURIComponent(name),
  };
}

type Reading = {
  readonly at: FilePlace;
  readonly info: FileInfo;
  readonly end: number;
  readonly signal: AbortSignal;
  readonly letGo: () => void;
};

/** The bytes of an answer, and where it breaks off those of the next one, as long as it is the same content. */
async function* bytesOf(
  reading: Reading,
  { response, start }: { readonly response: Response; readonly start: number },
): AsyncGenerator<Uint8Array> {
  try {
    yield* resumed(reading, { response, start });
  } finally {
    reading.letGo();
  }
}

async function* resumed(
  { at, info, end, signal }: Reading,
  { response, start }: { readonly response: Response; readonly start: number },
): AsyncGenerator<Uint8Array> {
  let position = start;
  let reached = start;
  let body = response.body;
  for (let left = reopensMax; position < end; left--) {
    try {
      for await (const bytes of body === null ? [] : atMost(end - position, body)) {
        yield bytes;
        position += bytes.byteLength;
      }
    } catch {
      // It has broken off, or was given up.
      signal.throwIfAborted();
    }
    if (position >= end) return;
    if (position > reached) left = reopensMax;
    if (left === 0) throw new HoldfastError('unavailable', { missing: end - position });
    reached = position;
    const headers = { range: rangeHeader({ start: position, end }), 'if-range': `"${info.hash}"` };
    // oxlint-disable-next-line no-await-in-loop -- what came before has broken off
    const next = await open(at, headers, signal);
    if (next.status !== 206 || isElsewhere(next.headers, position)) {
      await next.body?.cancel();
      throw new HoldfastError('unavailable', { changed: true });
    }
    body = next.body;
  }
}

/** The bytes of a body, and of one that does not end where its server said no more than there is to be. */
async function* atMost(
  count: number,
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const bytes of piecesOf(body)) {
    yield bytes.subarray(0, left);
    left -= bytes.byteLength;
    if (left < 0) return;
  }
}
