import { randomUUID } from 'node:crypto';
import type { Submission } from '@holdfast/engine/authority';
import { type Caller, readIn } from '@holdfast/engine/data';
import {
  fingerprint,
  isObject,
  isRefusal,
  type OpId,
  parsePutFile,
  parseTransact,
  parseWrite,
  type Path,
  readAckSeq,
  readOpId,
  readRollback,
  type Refusal,
  refuse,
  type Request,
  type Rollback,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import { callerOf, refuseScope, type Scope } from '../access/index.ts';
import { traceparentIn } from '../tracing/index.ts';
import type { Receiver } from '../host/requests.ts';
import { Delivery } from './delivery.ts';
import { hearExpiry } from './lease-notices.ts';
import { stateEvent } from './legacy.ts';
import { PushOrder } from './push-order.ts';
import { scopeChange } from './rescope.ts';
import { Restoring } from './restoring.ts';
import { digested } from './put-file.ts';
import type { SocketRoom } from './room.ts';
import type { ChannelPort, ChannelTerms } from './terms.ts';
import { describeStore, explainTo, operationStatus } from './status.ts';
import { nextTurn } from './turn.ts';
import { Turns } from './turns.ts';
import { type Pushed, Unanswered } from './unanswered.ts';
import { message } from './wire.ts';

/** A write on its way to the authority. */
type Push = Pushed & { readonly payload: unknown };

/** What a push asks for, once that is known, and the verdict on the files it names. */
type Prepared = Pick<Submission, 'request' | 'files'>;

/** One joined store topic of one socket: its pushes go to the authority, facts come back through its delivery. */
export class StoreChannel implements Receiver {
  readonly #room: SocketRoom;
  readonly #port: ChannelPort;
  readonly #terms: ChannelTerms;
  readonly #delivery: Delivery;
  /** Names the channel to its authority, which other sockets' channels speak to as well. */
  readonly #number: number;
  readonly #unanswered: Unanswered;
  readonly #questions: { readonly after: number; readonly ask: () => void }[] = [];
  #asking: Promise<void> | null = null;
  #asked = 0;
  readonly #turns = new Turns();
  readonly #order = new PushOrder();
  readonly #restoring: Restoring;
  readonly #caller: Caller;
  #lastTicket = 0;
  #deafen: () => void = () => undefined;
  #closed = false;

  constructor(room: SocketRoom, port: ChannelPort, terms: ChannelTerms) {
    this.#room = room;
    this.#port = port;
    this.#terms = terms;
    this.#caller = callerOf(terms.principal, terms.plan.scope.veil);
    this.#delivery = new Delivery(room, port, terms);
    this.#unanswered = new Unanswered(port.outbox);
    this.#number = room.nextNumber();
    this.#restoring = new Restoring(room, terms, () => this.#foresee());
  }

  get storeId(): string {
    return this.#terms.host.row.id;
  }

  /** How many ops of its store it has yet to be told of, while it is on its way through the log. */
  get behind(): number {
    return this.#delivery.behind;
  }

  /** With the next events its client is asked how far it is; false where that cannot be. */
  wonder(): boolean {
    return this.#delivery.wonder();
  }

  /** Called right after the join reply: what is missing follows, then what happens. */
  begin(): void {
    this.#delivery.begin();
    this.#deafen = hearExpiry(this.#port, this.#terms, (path) =>
      this.#delivery.scope.leaves.covers(path),
    );
  }

  push(slot: number, event: string, payload: unknown): void {
    this.#order.came(slot);
    switch (event) {
      case 'write':
        this.#write(slot, payload, false);
        return;
      case 'transact':
        if (this.#terms.dialect === 3) break;
        this.#write(slot, payload, true);
        return;
      case 'scope':
      case 'query_open':
      case 'query_close':
        if (this.#terms.dialect === 3) break;
        this.#change(slot, event, payload);
        return;
      case 'ack_seq':
        this.#answer(slot, this.#acknowledge(payload));
        return;
      case 'put_file':
        this.#putFile(slot, payload);
        return;
      case 'rollback':
        this.#rollback(slot, payload);
        return;
    }
    const question = this.#questionOf(event, payload);
    if (question === null) this.#answer(slot, refuse('unknown_event'));
    else this.#ask(slot, question);
  }

  /** What is only asked, and changes nothing. */
  #questionOf(event: string, payload: unknown): (() => Promise<object | Refusal>) | null {
    if (event === 'status') return () => describeStore(this.#room, this.#terms);
    if (this.#terms.dialect === 3) return null;
    if (event === 'op_status') {
      return () => operationStatus(this.#room.storage, this.#terms, payload);
    }
    return event === 'explain' ? async () => explainTo(this.#room, this.#terms, payload) : null;
  }

  /** The authority's answer to a submission of this channel. */
  answered(ticket: number, answer: WriteReply | Refusal): void {
    const pushed = this.#unanswered.take(ticket);
    if (pushed?.rollback) this.#restoring.answered(pushed.rollback, answer);
    if (pushed === undefined || this.#closed) return;
    this.#tell(pushed, answer);
    const { first } = this.#unanswered;
    // Not by this ticket: what a full queue turned away was answered before those that it came behind.
    while (this.#questions[0] !== undefined && this.#questions[0].after < first) {
      this.#questions.shift()?.ask();
    }
  }

  /** Who is there is looked at as long as that is so; a write of whoever was shut out, or is just gone, may still wait. */
  readonly mayStill = async (): Promise<boolean> =>
    !this.#closed || this.#room.access.grantsStill(this.#port.credentials, this.#terms.principal);

  lost(): void {
    this.#restoring.lost();
  }

  #tell(pushed: Pushed, answer: WriteReply | Refusal): void {
    const { slot, path } = pushed;
    const send = (): void => this.#answer(slot, answer);
    if (isRefusal(answer)) this.#answer(slot, answer);
    else if (!('store_seq' in answer)) send();
    else if (path === null || !this.#delivery.hasSkipped(answer.store_seq)) {
      this.#delivery.reach(answer.store_seq, send);
    } else {
      this.#echo({ ...pushed, path, seq: answer.store_seq }, send);
    }
  }

  /** The peer waits for the event of an op that a snapshot swallowed: it gets the state instead (stores.md §6.6). */
  #echo(op: Pushed & { readonly path: Path; readonly seq: Seq }, send: () => void): void {
    const { host, topic, codec, deviceId } = this.#terms;
    const { leaves } = this.#delivery.scope;
    if (!leaves.reaches(op.path)) {
      send();
      return;
    }
    const state = readIn(host.view().tree, leaves, op.path) ?? { cleared: op.seq };
    const event = stateEvent(op.path, state, { deviceId, clientOpId: op.opId });
    // Not before all older events, or the peer would take its cursor past them.
    if (!this.#delivery.hasReached(event.store_seq)) {
      this.#delivery.reach(event.store_seq, () => this.#echo(op, send));
      return;
    }
    this.#port.outbox.send(message(codec, [null, null, topic, 'event', event]));
    send();
  }

  /** The channel is gone: nothing is delivered after this. */
  close(): void {
    this.#closed = true;
    this.#unanswered.close();
    this.#delivery.close();
    this.#restoring.end();
    this.#deafen();
    this.#terms.host.left(this.#number);
  }

  #write(slot: number, payload: unknown, many: boolean): void {
    const opId = this.#admit(slot, payload, 'entries:write');
    if (opId === null) return;
    const { principal, host } = this.#terms;
    const request = this.#parse(payload, many);
    const judging = this.#room.files.judge(principal, host.row.id, request);
    const path = !isRefusal(request) && 'path' in request ? request.path : null;
    const prepared = judging === null ? { request } : judging.then((files) => ({ request, files }));
    this.#push({ slot, opId, payload, path }, prepared);
  }

  /** The bytes are kept before the authority hears of them; the push waits for it in its turn (stores.md §14.2). */
  #putFile(slot: number, payload: unknown): void {
    const opId = this.#admit(slot, payload, 'files:write');
    if (opId === null) return;
    const { limits, files } = this.#room;
    const file = parsePutFile(payload, { dialect: this.#terms.dialect, limits });
    const isBad = isRefusal(file);
    // What will be refused for its rate is not kept.
    const taking = isBad ? file : (this.#foresee() ?? files.take(this.#terms, file));
    const prepared =
      taking instanceof Promise ? taking.then((request) => ({ request })) : { request: taking };
    this.#push(
      { slot, opId, payload: digested(payload), path: isBad ? null : file.path },
      prepared,
    );
  }

  /** It names no id of its own, for a second one finds nothing to do (stores.md §6.5, §13.3.3). */
  #rollback(slot: number, payload: unknown): void {
    const refusal = refuseScope(this.#terms.principal, 'entries:write');
    if (refusal !== null) {
      this.#answer(slot, refusal);
      return;
    }
    const asked = readRollback(payload, this.#room.limits);
    const opId = `rollback:${randomUUID()}`;
    const push = { slot, opId, payload: {}, path: null };
    if (isRefusal(asked)) this.#push(push, { request: asked });
    else {
      const prepared = this.#restoring.prepare(asked).then((request) => ({ request }));
      this.#push({ ...push, rollback: asked }, prepared);
    }
  }

  /** The op id of a push that the principal may make; null where it is answered already. */
  #admit(slot: number, payload: unknown, scope: Scope): OpId | null {
    const refusal = refuseScope(this.#terms.principal, scope);
    const opId = isObject(payload)
      ? readOpId(payload)
      : refuse('invalid_payload', { field: 'payload' });
    if (refusal === null && !isRefusal(opId)) return opId;
    if (refusal !== null) this.#answer(slot, refusal);
    else if (isRefusal(opId)) this.#answer(slot, opId);
    return null;
  }

  #push(push: Push, prepared: Prepared | Promise<Prepared>): void {
    const { host, dialect } = this.#terms;
    const { slot, opId, path, rollback } = push;
    const ticket = host.ticket();
    const noted = rollback === undefined ? {} : { rollback };
    this.#unanswered.add(ticket, { slot, opId, path: dialect === 3 ? path : null, ...noted });
    this.#lastTicket = ticket;
    const sound =
      prepared instanceof Promise ? prepared.catch((e: unknown) => this.#fault(e)) : prepared;
    this.#turns.take(sound, (ready) => {
      if (this.#closed) {
        if (rollback) this.#restoring.answered(rollback, null);
        return;
      }
      const trace = traceparentIn(push.payload);
      host.submit(this.#submission({ ...push, ...ready, ticket }), this, trace);
    });
  }

  #fault(error: unknown): Prepared {
    const errorId = `${this.#number}-${this.#lastTicket}`;
    this.#room.report(`preparing a push failed (error_id ${errorId})`, error);
    return { request: refuse('internal_error', { error_id: errorId }) };
  }

  #parse(payload: unknown, many: boolean): Request | Refusal {
    const { limits } = this.#room;
    const { dialect } = this.#terms;
    return many ? parseTransact(payload, { limits }) : parseWrite(payload, { dialect, limits });
  }

  #foresee(): Refusal | null {
    const { principal, dialect } = this.#terms;
    return this.#room.rates.foresee(principal, dialect === 3 ? () => undefined : undefined);
  }

  #submission(
    push: Prepared & { ticket: number; opId: string; payload: unknown; rollback?: Rollback },
  ): Submission {
    const { dialect, deviceId, host, principal, grants } = this.#terms;
    const slow = (ms: number): void => this.#port.throttle.wait(ms);
    const cost = costOf(push.request);
    const rate = this.#room.rates.write(principal, cost, dialect === 3 ? slow : undefined);
    return {
      ticket: push.ticket,
      channel: this.#number,
      blocks: dialect === 4 && (push.rollback === undefined || 'waits'),
      unblock: dialect === 4 && unblocks(push.payload),
      dialect,
      deviceId,
      opId: push.opId,
      fingerprint: fingerprint(push.payload),
      principal: principal.subject,
      request: push.request,
      rate: this.#restoring.counting(push.rollback, rate),
      files: push.files ?? null,
      fileRule: this.#room.files.ruleOf(principal, host.row.id),
      caller: this.#caller,
      ...(grants && { grants }),
    };
  }

  #acknowledge(payload: unknown): object | Refusal {
    const seq = readAckSeq(payload);
    if (isRefusal(seq)) return seq;
    this.#delivery.acknowledged(seq);
    this.#noteDelivery(seq);
    return {};
  }

  /** Of what was committed while the channel was joined: how long ago that was. */
  #noteDelivery(seq: Seq): void {
    const { host, plan } = this.#terms;
    const storedAt = seq > plan.cut ? host.storedAt(seq) : null;
    if (storedAt === null) return;
    this.#room.meters.deliveryTime.observeMs(this.#room.clock.now() - storedAt);
  }

  /** Answers a question about the store once the writes pushed before it are answered (stores.md §7.5). */
  #ask(slot: number, question: () => Promise<object | Refusal>): void {
    const ask = (): void => this.#settle(slot, question);
    if (this.#unanswered.first === Infinity) ask();
    else this.#questions.push({ after: this.#lastTicket, ask });
  }

  /** One after the other, a few in each turn: what they cost may grow with the store, and nothing counts how many come. */
  #settle(slot: number, question: () => Promise<object | Refusal>): void {
    const rest = (): unknown =>
      this.#closed || ++this.#asked % 16 > 0 || nextTurn(this.#room, this.#port.outbox);
    const asking = (this.#asking?.then(rest) ?? Promise.resolve())
      .then(() => (this.#closed ? {} : question()))
      .catch((error: unknown) => {
        const errorId = `${this.#number}-${slot}`;
        this.#room.report(`push failed (error_id ${errorId})`, error);
        return refuse('internal_error', { error_id: errorId });
      })
      .then((response) => {
        if (this.#asking === asking) this.#asking = null;
        this.#answer(slot, response);
      });
    this.#asking = asking;
  }

  /**
   * Changes the patterns, or the queries. Its answer divides what comes in the old scope from what comes in the new one, so
   * the answers to the pushes before it come first (stores.md §10.4.4).
   */
  #change(slot: number, event: string, payload: unknown): void {
    const { limits, rates } = this.#room;
    const { grants, plan, principal } = this.#terms;
    const account = plan.sight?.account;
    const charge = (): Refusal | null => rates.join(principal);
    const answer = (reply: object | Refusal): void => this.#answer(slot, reply);
    const change =
      event === 'scope'
        ? scopeChange(payload, { grants, limits, account, charge }, answer)
        : this.#delivery.queries.change(event, payload, answer);
    if (isRefusal(change)) answer(change);
    else this.#order.whenFirst(slot, change, (ready) => this.#delivery.rescope(ready));
  }

  #answer(slot: number, response: object | Refusal): void {
    if (this.#closed) return;
    const { channel } = this.#terms;
    if (isRefusal(response)) {
      this.#room.meters.refusals.add(response.code, 'push');
      this.#port.answer({ channel, slot }, 'error', response.toResponse());
    } else this.#port.answer({ channel, slot }, 'ok', response);
    this.#order.answered(slot);
  }
}

function unblocks(payload: unknown): boolean {
  return isObject(payload) && payload['unblock'] === true;
}

/** A transaction counts as so many writes (stores.md §10.5.4). */
function costOf(request: Submission['request']): number {
  return !isRefusal(request) && request.op === 'transact' ? request.ops.length : 1;
}
