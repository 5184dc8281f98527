import { HoldfastError, isObject, type Json } from '@holdfast/protocol';
import {
  decodeExact,
  type HandshakeAnswer,
  type HandshakeRequest,
  isHandshakeAnswer,
} from '@holdfast/protocol/record';

/** As much of `fetch` as records need. */
export type Fetch = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: { readonly [name: string]: string };
    readonly body: string;
    readonly signal: AbortSignal;
  },
) => Promise<Response>;

/** Asks the server for what a path serves. */
export type Ask = (path: string, body: object, signal: AbortSignal) => Promise<Response>;

/** What a stream tells. */
export type StreamEvents = {
  answer(answer: HandshakeAnswer): void;
  /** All keys are answered, and from now on every commit is told. */
  ready(): void;
  sync(key: string, envelope: unknown): void;
  /** Something came that cannot be read. */
  broken(error: unknown): void;
  /** Anything came: the server is there. */
  alive(): void;
};

/** One of the keys is not served, or not now: the others have to ask without it. */
export class RefusedKey extends Error {
  readonly key: string;
  readonly reason: string;
  /** It is not for us, rather than not served now. */
  readonly isDenied: boolean;

  constructor(key: string, reason: string, isDenied: boolean) {
    super(`${reason}: ${key}`);
    this.key = key;
    this.reason = reason;
    this.isDenied = isDenied;
  }
}

const denials = new Set<unknown>(['unknown_record', 'invalid_params']);

const pendingCharactersMax = 16 * 1024 * 1024;

/** Reads a stream of records until it ends (records.md §8.1.2); rejects with why it could not begin, or broke off. */
export async function readStream(
  requests: readonly HandshakeRequest[],
  { ask, events, signal }: { ask: Ask; events: StreamEvents; signal: AbortSignal },
): Promise<void> {
  const response = await ask('/stream', { requests }, signal);
  if (response.status !== 200) throw await refusalOf(response);
  let text = '';
  let isBroken = false;
  for await (const piece of piecesOf(response)) {
    if (signal.aborted) return;
    events.alive();
    // Looked for in what has just come: what waits may be megabytes in small pieces.
    const isEnd = piece.includes('\n\n') || (isBroken && piece.startsWith('\n'));
    if (piece !== '') isBroken = piece.endsWith('\n');
    text += piece;
    const parts = isEnd ? text.split('\n\n') : [text];
    text = parts.pop() ?? '';
    for (const part of parts) if (!signal.aborted) tell(part, events);
    if (text.length > pendingCharactersMax) throw new HoldfastError('frame_too_large');
  }
}

/** The text of a stream, as it comes. */
async function* piecesOf({ headers, body }: Response): AsyncGenerator<string> {
  const type = headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream') || body === null) {
    await body?.cancel();
    throw new HoldfastError('unavailable', { content_type: type });
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (let piece = await reader.read(); !piece.done;) {
    yield decoder.decode(piece.value, { stream: true });
    // oxlint-disable-next-line no-await-in-loop -- piece by piece
    piece = await reader.read();
  }
}

/** What a handshake is answered. */
export async function readAnswers(
  requests: readonly HandshakeRequest[],
  { ask, signal }: { ask: Ask; signal: AbortSignal },
): Promise<readonly HandshakeAnswer[]> {
  const response = await ask('/handshake', { requests }, signal);
  if (response.status !== 200) throw await refusalOf(response);
  const body: unknown = await response.json();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is parsed is JSON
  const answers = isObject(body) ? decodeExact(body['answers'] as Json) : null;
  return Array.isArray(answers) ? answers.filter(isHandshakeAnswer) : [];
}

async function refusalOf(response: Response): Promise<Error> {
  const body: unknown = await response.json().catch(() => null);
  const { key, error } = isObject(body) ? body : {};
  if (typeof key === 'string' && (response.status === 403 || response.status === 400)) {
    const isDenied = response.status === 403 || denials.has(error);
    return new RefusedKey(key, typeof error === 'string' ? error : 'denied', isDenied);
  }
  const code = response.status === 401 ? 'unauthorized' : 'unavailable';
  return new HoldfastError(code, { status: response.status });
}

/** One event of a stream; a comment is a sign of life only. */
function tell(part: string, events: StreamEvents): void {
  const { event, data } = fieldsOf(part);
  if (event === undefined) return;
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is parsed is JSON
    const value = decodeExact(JSON.parse(data ?? '') as Json);
    if (event === 'ready') events.ready();
    else if (event === 'answer' && isHandshakeAnswer(value)) events.answer(value);
    else if (event === 'sync' && isObject(value) && typeof value['key'] === 'string') {
      events.sync(value['key'], value['envelope']);
    } else events.broken(new HoldfastError('invalid_payload', { event }));
  } catch (error) {
    events.broken(error);
  }
}

function fieldsOf(part: string): { readonly event?: string; readonly data?: string } {
  const fields: { event?: string; data?: string } = {};
  for (const line of part.split('\n')) {
    const [, name, value = ''] = /^(event|data): ?(.*)$/s.exec(line) ?? [];
    if (name === 'event') fields.event = value;
    if (name === 'data') fields.data = value;
  }
  return fields;
}
