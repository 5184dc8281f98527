import {
  closeFrame,
  errorFrame,
  type Frame,
  isObject,
  type JoinReply,
  readRefusal,
  refuse,
  replyFrame,
} from '@holdfast/protocol';
import { type Answer, type Api, type HttpEnv, type Standing } from './api.ts';

/** What a channel needs of its line. */
export type ChannelRoom = {
  readonly api: Api;
  readonly env: HttpEnv;
  say(frame: Frame): void;
  /** A write has an answer. */
  answered(): void;
  /** Nobody knows what became of what was asked. */
  lost(error: unknown): void;
  /** The topic needs a socket from now on. */
  bind(): void;
};

type Members = { readonly [name: string]: unknown };

/** Pushes that wait for those before them: all are to be answered within the time that a push has. */
const queueMax = 32;
/** Of every id that was committed so long ago the server may have forgotten the answer (stores.md §15.3). */
const rememberedMs = 24 * 3_600_000;
const leaseOps: ReadonlySet<unknown> = new Set(['lease', 'renew', 'release']);

/**
 * The channel of a store of which nothing is read, without a socket: it answers as a server would (stores.md §10).
 *
 * 1. Writes are committed in the order of their pushes: one is under way at a time.
 * 2. After one that is refused for now the channel is blocked, as stores.md §10.6 has it.
 * 3. What HTTP cannot do ends it, once nothing is under way: the next join goes to a socket.
 */
export class HttpChannel {
  readonly joinRef: string | null;
  readonly #topic: string;
  readonly #room: ChannelRoom;
  #queue: Frame[] = [];
  #isRunning = false;
  #blockedBy: unknown = null;
  #isMoving = false;
  #isClosed = false;

  constructor(join: Frame, room: ChannelRoom) {
    this.joinRef = join.joinRef;
    this.#topic = join.topic;
    this.#room = room;
    void this.#begin(join);
  }

  close(): void {
    this.#isClosed = true;
    this.#queue = [];
  }

  take(frame: Frame): void {
    if (this.#isMoving || this.#isClosed) return;
    if (frame.event === 'phx_leave') {
      this.close();
      queueMicrotask(() => this.#room.say(replyFrame(frame, 'ok', {})));
      return;
    }
    if (!isWrite(frame)) {
      this.#move();
      return;
    }
    if (membersOf(frame)['unblock'] === true) this.#blockedBy = null;
    if (this.#blockedBy !== null) this.#refuse(frame, 'blocked');
    else if (this.#queue.length >= queueMax) this.#refuse(frame, 'overloaded');
    else {
      this.#queue.push(frame);
      void this.#run();
    }
  }

  get #store(): string {
    return this.#topic.slice('store:'.length);
  }

  async #begin(join: Frame): Promise<void> {
    try {
      const standing = await this.#room.api.standing(this.#store);
      if ('incarnation' in standing) this.#say(replyFrame(join, 'ok', this.#joined(standing)));
      else this.#say(replyFrame(join, 'error', refusedJoin(standing)));
    } catch (error) {
      this.#lost(error);
    }
  }

  #joined({ seq, incarnation }: Standing): JoinReply {
    const now = this.#room.env.wall();
    return {
      store_seq: seq,
      capver: 4,
      capver_min: 3,
      permissions: { read: true, write: true },
      scopes: [],
      store_access: { mode: 'selected', store_ids: [] },
      incarnation,
      scope: '',
      rights: null,
      denied: null,
      patterns: [],
      sync: 'tail',
      why: null,
      oldest_seq: 0,
      // By this clock, as the times that are measured by it are.
      dedupe_since: now - rememberedMs,
      server_time: now,
      expires_at: null,
      limits: {},
    };
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let frame = this.#queue[0]; frame !== undefined; frame = this.#queue[0]) {
      try {
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        await this.#write(frame);
      } catch (error) {
        this.#lost(error);
        return;
      }
      this.#queue.shift();
    }
    this.#isRunning = false;
    if (this.#isMoving) this.leave(errorFrame(this.#topic, this.joinRef));
  }

  async #write(frame: Frame): Promise<void> {
    const { client_op_id: opId, traceparent: trace } = membersOf(frame);
    const asked = { trace, body: bodyOf(frame) };
    const answer = await this.#room.api.transact(this.#store, String(opId), asked);
    if (this.#isClosed) return;
    this.#room.answered();
    if (answer.status === 'ok') {
      this.#say(replyFrame(frame, 'ok', replyOf(frame, answer.response)));
      return;
    }
    const { response } = answer;
    // Not that of an op: there is no such store any more.
    if (response.reason === 'not_found' && response['op_index'] === undefined) {
      this.leave(closeFrame(this.#topic, this.joinRef));
      return;
    }
    this.#say(replyFrame(frame, 'error', refusalOf(frame, response)));
    const { code, retry } = readRefusal(response);
    // What blocks a channel (stores.md §10.6).
    if (retry !== 'later' && code !== 'internal_error') return;
    const [, ...later] = this.#queue;
    this.#queue = [frame];
    this.#blockedBy = opId;
    for (const each of later) this.#refuse(each, 'blocked');
  }

  /** Those after it are refused with it, so that none overtakes it. */
  #refuse(frame: Frame, code: 'blocked' | 'overloaded'): void {
    this.#blockedBy ??= membersOf(frame)['client_op_id'];
    const about = code === 'blocked' ? { client_op_id: this.#blockedBy } : {};
    const refusal = refuse(code, { ...about, retry_after_ms: 1 }).toResponse();
    queueMicrotask(() => this.#say(replyFrame(frame, 'error', refusal)));
  }

  #move(): void {
    this.#isMoving = true;
    this.#room.bind();
    if (this.#isRunning) return;
    queueMicrotask(() => this.leave(errorFrame(this.#topic, this.joinRef)));
  }

  /** Tells how it ends, and ends. */
  leave(frame: Frame): void {
    this.#say(frame);
    this.close();
  }

  #lost(error: unknown): void {
    if (!this.#isClosed) this.#room.lost(error);
  }

  #say(frame: Frame): void {
    if (!this.#isClosed) this.#room.say(frame);
  }
}

function membersOf({ payload }: Frame): Members {
  return isObject(payload) ? payload : {};
}

/** Leases have replies of their own kinds. */
function isWrite(frame: Frame): boolean {
  if (frame.event === 'transact') return true;
  return frame.event === 'write' && !leaseOps.has(membersOf(frame)['op']);
}

function bodyOf(frame: Frame): object {
  const { client_op_id: _, unblock: __, traceparent: ___, ...asked } = membersOf(frame);
  return frame.event === 'transact' ? asked : { ops: [asked] };
}

/** Of one write, what was made of a transaction of one. */
function replyOf({ event }: Frame, reply: Members): Members {
  const { results } = reply;
  const [only]: readonly unknown[] = Array.isArray(results) ? results : [];
  return event === 'write' && isObject(only) ? only : reply;
}

function refusalOf({ event }: Frame, { op_index: index, ...refusal }: Members): Members {
  // This id was used: for the same, or it would not be ours.
  const isUsed = refusal['reason'] === 'idempotency_key_reuse';
  if (isUsed) return refuse('outcome_unknown').toResponse();
  return event === 'write' || index === undefined ? refusal : { ...refusal, op_index: index };
}

function refusedJoin({ response }: Answer): Members {
  // The same as by a socket: who may not know of a store is told no more.
  if (response['reason'] === 'not_found') return refuse('unauthorized').toResponse();
  return response;
}
