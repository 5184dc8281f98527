import { isObject, type Json, type RecordContext, RejectedError } from '@holdfast/protocol';
import {
  encodeExact,
  type Envelope,
  type HandshakeAnswer,
  handshakeKeysMax,
  type HandshakeRequest,
} from '@holdfast/protocol/record';
import type { Clock } from '../host/clock.ts';
import { inTime } from '../storage/in-time.ts';
import { about } from './about.ts';
import type { Feed, FeedMessage, Feeds } from './feeds.ts';
import { isRequest } from './handshake-request.ts';
import type { Records } from './records.ts';
import type { Sources } from './sources.ts';
import { StreamCursor } from './stream-cursor.ts';
import { type Voucher, vouched } from './vouched.ts';

/** How records are served as server-sent events (records.md §8.1). */
export type SseOptions = {
  /** Whether a key may be read; `public` opens all of them. */
  readonly authorize:
    | 'public'
    | ((ctx: RecordContext, key: string, request: Request) => boolean | Promise<boolean>);
  /** What of an envelope somebody gets; null: nothing. */
  readonly project?: (
    ctx: RecordContext,
    key: string,
    envelope: Envelope,
  ) => Envelope | null | Promise<Envelope | null>;
  /** Milliseconds between signs of life in quiet times. Default: 15,000. */
  readonly heartbeat?: number;
  /** Keys of one stream. Default: 200. */
  readonly maxKeys?: number;
};

/** A Web-standard handler; `ctx` is whose request it is. */
export type SyncHandler = (request: Request, ctx: RecordContext) => Promise<Response>;

/** What serving needs of the server. */
export type SyncRoom = {
  readonly feeds: Feeds;
  readonly sources: Sources;
  readonly records: Records;
  readonly clock: Clock;
  readonly seeds: Voucher;
  /** Aborts when the server begins to close: streams end. */
  readonly closing: AbortSignal;
};

const HEARTBEAT_MS = 15_000;
/** Well within the 5 s after which nobody hears what it may not read any more (records.md §9). */
const RIGHTS_MS = 3000;
const VERDICT_MS_MAX = { first: 5000, again: 1500 };
const KEYS_MAX = 200;
const QUEUED_BYTES_MAX = 1024 * 1024;

/** Serves records as server-sent events; throws a `TypeError` where nothing says who may read. */
export function syncHandler(
  room: SyncRoom,
  options: SseOptions,
): { readonly GET: SyncHandler; readonly POST: SyncHandler } {
  checkSse('syncHandler', options);
  const serve: SyncHandler = (request, ctx) => serveRecords(room, options, { request, ctx });
  return { GET: serve, POST: serve };
}

/** Throws a `TypeError` where nothing says who may read. */
export function checkSse(of: string, { authorize }: SseOptions): void {
  if (authorize === 'public' || typeof authorize === 'function') return;
  throw new TypeError(`${of} needs \`authorize\`: a function, or 'public'.`);
}

/** What is asked, by whom; `body` where it has been read already. */
export type Asked = {
  readonly request: Request;
  readonly ctx: RecordContext;
  readonly body?: object;
  /** Hears that the answer is over, be it a stream. */
  readonly ended?: () => void;
};

/** Answers one request for records. */
export async function serveRecords(
  room: SyncRoom,
  options: SseOptions,
  asked: Asked,
): Promise<Response> {
  const desk = new Desk(room, options, asked);
  try {
    return await desk.serve();
  } catch (error) {
    if (!(error instanceof RejectedError)) throw error;
    return Response.json({ error: error.code, ...error.details }, { status: 400 });
  } finally {
    if (!desk.isStreaming) desk.release();
  }
}

/** An event without its end; `id`: how far the stream is as it leaves. */
type Piece = { readonly text: string; readonly id?: () => string };

type News = Exclude<FeedMessage, { readonly lost: true }>;

/** One request, and what it holds open. */
class Desk {
  readonly #room: SyncRoom;
  readonly #options: SseOptions;
  readonly #asked: Asked;
  readonly #end = (): void => this.release();
  readonly #feeds: { readonly key: string; readonly feed: Feed }[] = [];
  /** The keys that it may not read any more. */
  readonly #denied = new Set<string>();
  /** What came before all that the stream begins with has left; null: that has. */
  #early: Piece[] | null = [];
  #earlyLength = 0;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  #timer: unknown = null;
  #rights: unknown = null;
  #order: Promise<void> = Promise.resolve();
  /** What was heard and has yet to be said; its length where somebody has to say first what of it is shown. */
  #unsaid = 0;
  #unsaidLength = 0;
  readonly #cursor: StreamCursor;
  #isOver = false;

  constructor(room: SyncRoom, options: SseOptions, asked: Asked) {
    this.#room = room;
    this.#options = options;
    this.#asked = asked;
    this.#cursor = new StreamCursor(asked.request.headers.get('last-event-id'));
    for (const signal of [asked.request.signal, room.closing]) {
      signal.addEventListener('abort', this.#end, { once: true });
      if (signal.aborted) this.release();
    }
  }

  get isStreaming(): boolean {
    return this.#controller !== null;
  }

  async serve(): Promise<Response> {
    const asked = await this.#read();
    const isHandshake = new URL(this.#asked.request.url).pathname.endsWith('/handshake');
    const { maxKeys = KEYS_MAX } = this.#options;
    const limit = isHandshake ? Math.max(maxKeys, handshakeKeysMax) : maxKeys;
    if (asked.length > limit) throw new RejectedError('invalid_params', { limit });
    const feeds = asked.map((each) => about(each.key, () => this.#feedOf(each)));
    for (const { key } of asked) {
      // oxlint-disable-next-line no-await-in-loop -- all before anything is opened, one after the other
      if (await this.#mayRead(key, 'first')) continue;
      return Response.json({ error: 'unauthorized key', key }, { status: 403 });
    }
    const answers = await this.#answers(asked, feeds);
    if (this.#isOver) return new Response(null, { status: 499 });
    if (isHandshake) return Response.json({ answers: encodeExact(answers) });
    const hidden = this.#feeds.flatMap(({ key, feed }) => (feed.isPart === true ? [key] : []));
    this.#cursor.reads(answers, hidden);
    return this.#stream(answers);
  }

  /** Of what the seqs are that it was asked to go on from. */
  get #extent(): 'object' | 'store' {
    return this.#asked.request.method === 'GET' ? 'store' : 'object';
  }

  /** Lets go of everything; what comes later is ignored. */
  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#asked.request.signal.removeEventListener('abort', this.#end);
    this.#room.closing.removeEventListener('abort', this.#end);
    this.#room.clock.clearTimeout(this.#timer);
    this.#room.clock.clearTimeout(this.#rights);
    for (const { feed } of this.#feeds) feed.release();
    this.#asked.ended?.();
    try {
      this.#controller?.close();
    } catch {
      // The reader has gone, which closes it as well.
    }
  }

  async #read(): Promise<readonly HandshakeRequest[]> {
    if (this.#asked.request.method === 'GET') {
      const keys = new URL(this.#asked.request.url).searchParams.getAll('key');
      const bare = { record: '', params: {}, client_version: '' };
      return keys.map((key) => Object.assign({ key }, bare, this.#cursor.at(key)));
    }
    const body: unknown = this.#asked.body ?? (await this.#asked.request.json().catch(() => null));
    const requests = isObject(body) ? body['requests'] : null;
    if (!Array.isArray(requests) || !requests.every(isRequest)) {
      throw new RejectedError('invalid_payload', { field: 'requests' });
    }
    return requests;
  }

  /** How to follow a key; throws where it names nothing. */
  #feedOf({ key }: HandshakeRequest): () => Promise<Feed | null> {
    const { feeds, records, sources } = this.#room;
    const hear = (message: FeedMessage): void => this.#hear(key, message);
    if (sources.has(key)) return () => sources.follow(key, this.#asked, hear);
    const ref = records.refOf(key);
    if (ref === null) throw new RejectedError('unknown_record', { key });
    return () => feeds.follow(ref, this.#asked.ctx, hear);
  }

  /** Who does not say so in time has said nothing: it is asked again by whoever comes back. */
  async #mayRead(key: string, when: keyof typeof VERDICT_MS_MAX): Promise<boolean> {
    const { authorize } = this.#options;
    if (authorize === 'public') return true;
    const { ctx, request } = this.#asked;
    const late = (): Error => new RejectedError('unavailable', { key });
    const patience = { ms: VERDICT_MS_MAX[when], late };
    return inTime(this.#room.clock, () => authorize(ctx, key, request), patience);
  }

  /** Looks again at who reads, and at what of it, as long as the stream lasts. */
  #watch(): void {
    const isFixed = this.#feeds.every(({ feed }) => feed.recheck === undefined);
    if ((this.#options.authorize === 'public' && isFixed) || this.#isOver) return;
    const look = (): void => {
      this.#recheck().then(
        () => this.#watch(),
        // Nobody knows who may read.
        () => this.release(),
      );
    };
    this.#rights = this.#room.clock.setTimeout(look, RIGHTS_MS);
  }

  async #recheck(): Promise<void> {
    const keys = new Set(this.#feeds.map(({ key }) => key));
    const asked = [...keys].filter((key) => !this.#denied.has(key));
    await Promise.all(
      asked.map(async (key) => {
        if (!(await this.#mayRead(key, 'again'))) this.#deny(key);
      }),
    );
    for (const { key, feed } of this.#feeds) if (!this.#denied.has(key)) feed.recheck?.();
  }

  #deny(key: string): void {
    if (this.#isOver || this.#denied.has(key)) return;
    const answer = { key, type: 'denied', reason: 'denied' } as const;
    this.#cursor.hides(key);
    this.#send({ text: frame('answer', answer), id: () => this.#cursor.id });
    this.#denied.add(key);
    for (const each of this.#feeds) if (each.key === key) each.feed.release();
  }

  /** For each key: follow, then read, then answer. */
  async #answers(
    all: readonly HandshakeRequest[],
    feeds: readonly (() => Promise<Feed | null>)[],
  ): Promise<readonly HandshakeAnswer[]> {
    const answers: HandshakeAnswer[] = [];
    for (const [index, each] of all.entries()) {
      const asked = vouched(this.#room.seeds, this.#asked.ctx, each);
      const follow = feeds[index];
      if (follow === undefined || this.#isOver) break;
      const { key } = asked;
      // oxlint-disable-next-line no-await-in-loop -- in the order of the keys
      const feed = await about(key, follow);
      if (this.#isOver) feed?.release();
      else if (feed !== null) this.#feeds.push({ key, feed });
      if (feed === null) answers.push({ key, type: 'denied', reason: 'not_found' });
      // oxlint-disable-next-line no-await-in-loop -- in the order of the keys
      else answers.push(await this.#projected(key, feed.answer(asked, this.#extent)));
    }
    return answers;
  }

  async #projected(key: string, answer: HandshakeAnswer): Promise<HandshakeAnswer> {
    const { project } = this.#options;
    if (project === undefined || !('envelope' in answer)) return answer;
    const envelope = await project(this.#asked.ctx, key, answer.envelope);
    return envelope === null ? { key, type: 'denied', reason: 'denied' } : { ...answer, envelope };
  }

  /** Says it in its turn, when all of the same commit has been heard. */
  #hear(key: string, message: FeedMessage): void {
    // Whoever comes back finds the store as it is stored.
    if ('lost' in message) {
      this.release();
      return;
    }
    const isHeldUp = this.#options.project !== undefined;
    const length = isHeldUp ? JSON.stringify(encodeExact(message)).length : 0;
    this.#unsaid += 1;
    this.#unsaidLength += length;
    // Whoever is shown it too slowly comes back, and resumes.
    if (this.#unsaidLength > QUEUED_BYTES_MAX) this.release();
    this.#order = this.#order
      .then(() => this.#shown(key, message))
      .then((shown) => {
        this.#unsaid -= 1;
        this.#unsaidLength -= length;
        if (shown !== null) this.#say(key, shown);
      })
      .catch(() => this.release());
  }

  async #shown(key: string, message: News): Promise<News | null> {
    const { project } = this.#options;
    if (this.#isOver) return null;
    if ('answer' in message) return { answer: await this.#projected(key, message.answer) };
    if (project === undefined) return message;
    const envelope = await project(this.#asked.ctx, key, message.envelope);
    return envelope && { envelope };
  }

  #say(key: string, message: News): void {
    if (this.#denied.has(key)) return;
    if ('answer' in message) this.#send({ text: frame('answer', encodeExact(message.answer)) });
    else {
      const { envelope } = message;
      const id = (): string => this.#cursor.passed(key, envelope);
      this.#send({ text: frame('sync', encodeExact({ key, envelope })), id });
    }
  }

  #send(piece: Piece): void {
    if (this.#isOver) return;
    // Whoever reads too slowly comes back, and resumes.
    if (this.#early !== null) {
      this.#early.push(piece);
      this.#earlyLength += piece.text.length;
      if (this.#earlyLength > QUEUED_BYTES_MAX) this.release();
      return;
    }
    this.#enqueue(piece);
    if ((this.#controller?.desiredSize ?? 0) <= 0) this.release();
  }

  /** An id says that all up to there has left, so none is told while something of it, such as the rest of a commit, has not. */
  #enqueue({ text, id }: Piece): void {
    const reached = id?.() ?? '';
    const isAll = this.#unsaid === 0 && (this.#early ?? []).length === 0;
    const end = reached === '' || !isAll ? '\n' : `id: ${reached}\n\n`;
    this.#controller?.enqueue(new TextEncoder().encode(text + end));
    this.#arm();
  }

  #stream(answers: readonly HandshakeAnswer[]): Response {
    const beginning = this.#beginning(answers);
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          this.#watch();
        },
        // How much there is to begin with says nothing of how fast it is read.
        pull: () => {
          const { value: piece } = beginning.next();
          if (piece !== undefined) this.#enqueue(piece);
        },
        cancel: () => this.release(),
      },
      { highWaterMark: QUEUED_BYTES_MAX, size: (piece) => piece?.byteLength ?? 0 },
    );
    return new Response(body, {
      headers: {
        'Content-Type': 'text/event-stream; charset=utf-8',
        'Cache-Control': 'no-cache',
        'X-Accel-Buffering': 'no',
      },
    });
  }

  /** The answers, that they are all, and what has come meanwhile. */
  *#beginning(answers: readonly HandshakeAnswer[]): Generator<Piece, void, undefined> {
    for (const answer of answers) {
      const { key } = answer;
      if (answer.type === 'snapshot') this.#cursor.passed(key, answer.envelope);
      const isDenied = this.#denied.has(key);
      const told = isDenied ? { key, type: 'denied', reason: 'denied' } : answer;
      yield { text: frame('answer', encodeExact(told)) };
    }
    yield { text: frame('ready', {}), id: () => this.#cursor.id };
    const early = this.#early ?? [];
    for (let piece = early.shift(); piece !== undefined; piece = early.shift()) {
      this.#earlyLength -= piece.text.length;
      yield piece;
    }
    this.#early = null;
  }

  #arm(): void {
    const { clock } = this.#room;
    const { heartbeat = HEARTBEAT_MS } = this.#options;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#send({ text: ': heartbeat\n' }), heartbeat);
  }
}

function frame(event: string, data: Json): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n`;
}
