import type { Tail } from '@holdfast/engine/view';
import type { Codec } from '@holdfast/protocol';
import { headText, isKeptLeave } from '@holdfast/protocol/views';
import type { ViewRequests, ViewSeat } from '../views/index.ts';
import type { ViewPort } from './terms.ts';
import { frameHead } from './wire.ts';

/** Where a view's channel is on its socket. */
export type ViewTerms = {
  readonly channel: number;
  readonly topic: string;
  readonly joinRef: string;
  readonly rootId: string;
  readonly codec: Codec;
  /** Whether the rights by which the join is decided are not the client's any more. */
  readonly outdated: () => boolean;
  /** Whether the connection's credentials still grant the same. */
  readonly grantsStill: () => Promise<boolean>;
  /** Called once when it has ended. */
  readonly closed: () => void;
};

/** One joined root of one socket (views.md §5). */
export class ViewChannel implements ViewSeat {
  /** No store's. */
  readonly storeId: null = null;
  readonly #port: ViewPort;
  readonly #terms: ViewTerms;
  #requests: ViewRequests | null = null;
  #state: 'joining' | 'live' | 'closed' = 'joining';
  #isOutdated = false;
  #lagging = false;

  constructor(port: ViewPort, terms: ViewTerms) {
    this.#port = port;
    this.#terms = terms;
  }

  /** The join was decided by rights that had changed meanwhile: the client was told nothing. */
  get isOutdated(): boolean {
    return this.#isOutdated;
  }

  joined(response: object, requests: ViewRequests): void {
    if (this.#state !== 'joining') return;
    if (this.#terms.outdated()) {
      this.#state = 'closed';
      this.#isOutdated = true;
      return;
    }
    this.#state = 'live';
    this.#requests = requests;
    this.#port.welcome(this.#terms.channel, this, response);
  }

  envelope(base: number, version: number, tail: Tail): void {
    if (this.#state !== 'live') return;
    const { codec, joinRef, topic, rootId } = this.#terms;
    const head = { joinRef, topic, rootId, base, version };
    const pieces = codec.binary ? packedPieces(codec, head, tail) : textPieces(head, tail);
    for (const piece of pieces) this.#port.outbox.send(piece);
    this.#look();
  }

  answer(
    { slot, version }: { readonly slot: number; readonly version: number | null },
    status: 'ok' | 'error',
    response: object,
  ): void {
    const { channel } = this.#terms;
    this.#port.answer({ channel, slot, ...(version !== null && { version }) }, status, response);
  }

  end(how: 'failed' | 'replaced'): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#terms.closed();
    this.#port.shutView(this.#terms.channel, how);
  }

  grantsStill(): Promise<boolean> {
    return this.#terms.grantsStill();
  }

  push(slot: number, event: string, payload: unknown): void {
    this.#requests?.push(slot, event, payload);
  }

  /** `leave`: what the client said when it left; without a word it may come back. */
  close(_how: 'leave' | 'lost', leave?: unknown): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#terms.closed();
    this.#requests?.leave(leave === undefined || isKeptLeave(leave));
  }

  /** Who reads too slowly gets what is newest instead of all of it (views.md §11.6). */
  #look(): void {
    const { outbox } = this.#port;
    if (this.#lagging || outbox.takesMore()) return;
    this.#lagging = true;
    this.#requests?.lagging();
    outbox.drained().then(
      () => {
        this.#lagging = false;
        if (this.#state === 'live') this.#requests?.recovered();
      },
      (error: unknown) => this.#port.fail('a view could not catch up', error),
    );
  }
}

/** What a frame says before its tail. */
type Head = {
  readonly joinRef: string;
  readonly topic: string;
  readonly rootId: string;
  readonly base: number;
  readonly version: number;
};

/** Clients count their joins from one, so the heads of a shared root are few; where they are not, each has its own. */
const SHARED_FRAMES_MAX = 8;
/** Larger ones are not copied: they leave in pieces, of which the end is shared. */
const SHARED_BYTES_MAX = 16 * 1024;

/** Of the last tail: all who get it get it one after the other, and logs hold tails for long. */
let last: {
  readonly tail: Tail;
  readonly end: Buffer;
  readonly frames: { readonly head: Head; readonly bytes: readonly Buffer[] }[];
} | null = null;

/** The frame as text: its end encoded once for all sockets that speak JSON (views.md §5.5), the whole for those of equal heads. */
function textPieces(head: Head, tail: Tail): readonly Buffer[] {
  if (last?.tail !== tail) last = { tail, end: Buffer.from(`${tail.text}]`, 'utf8'), frames: [] };
  const { end, frames } = last;
  const known = frames.find((frame) => isSame(frame.head, head));
  if (known !== undefined) return known.bytes;
  const { joinRef, topic, rootId, base, version } = head;
  const address = `[${JSON.stringify(joinRef)},null,${JSON.stringify(topic)},"patch",`;
  const start = Buffer.from(`${address}${headText(rootId, base, version)}`);
  const bytes = start.length + end.length;
  const pieces = [frameHead({ isText: true, bytes }), start, end];
  if (bytes > SHARED_BYTES_MAX || frames.length >= SHARED_FRAMES_MAX) return pieces;
  const whole = [Buffer.concat(pieces)];
  frames.push({ head, bytes: whole });
  return whole;
}

function isSame(one: Head, other: Head): boolean {
  return (
    one.version === other.version &&
    one.base === other.base &&
    one.joinRef === other.joinRef &&
    one.topic === other.topic &&
    one.rootId === other.rootId
  );
}

const ARRAY_OF_5 = 0x95;
const MAP_OF_8 = 0x88;

function packedPieces(codec: Codec, head: Head, tail: Tail): readonly Buffer[] {
  const end = tail.packed((content) =>
    pairs(codec, [
      ['ops', content.ops],
      ['stream_ops', content.stream_ops],
      ['upload_ops', content.upload_ops],
      ['events', content.events],
    ]),
  );
  const start = packedHead(codec, head);
  const bytes = start.length + end.length;
  return [
    frameHead({ isText: false, bytes }),
    start,
    Buffer.from(end.buffer, end.byteOffset, end.byteLength),
  ];
}

function packedHead(codec: Codec, of: Head): Buffer {
  const address = [of.joinRef, null, of.topic, 'patch'].map((part) => bytesOf(codec, part));
  const head = pairs(codec, [
    ['type', 'patch'],
    ['root_id', of.rootId],
    ['base_version', of.base],
    ['version', of.version],
  ]);
  return Buffer.concat([Buffer.of(ARRAY_OF_5), ...address, Buffer.of(MAP_OF_8), head]);
}

function pairs(codec: Codec, of: readonly (readonly [string, unknown])[]): Buffer {
  return Buffer.concat(of.flat().map((part) => bytesOf(codec, part)));
}

function bytesOf(codec: Codec, value: unknown): Uint8Array {
  const encoded = codec.encode(value);
  return typeof encoded === 'string' ? Buffer.from(encoded) : encoded;
}
