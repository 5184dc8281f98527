import type { ListenerEffect } from '@holdfast/engine/session';
import { rootOfTopic } from '@holdfast/protocol/views';
import { type Principal, sameRights } from '../access/index.ts';
import { CommandRate, KeptRoots, Subscription, UploadBudget } from '../views/index.ts';
import type { SocketRoom } from './room.ts';
import type { ViewPort } from './terms.ts';
import { TransferChannel } from './transfer-channel.ts';
import type { Handshake } from './upgrade.ts';
import { ViewChannel } from './view-channel.ts';

type Join = Extract<ListenerEffect, { readonly type: 'join' }>;

/** The connection whose joins these are. */
export type ViewJoinsPort = ViewPort & {
  readonly principal: Principal;
  readonly closed: boolean;
};

/** The roots of views of one connection, and the files on their way to them. */
export class ViewJoins {
  readonly #room: SocketRoom;
  readonly #port: ViewJoinsPort;
  readonly #handshake: Handshake;
  readonly #rate: CommandRate;
  readonly #budget: UploadBudget;
  readonly #kept: KeptRoots;
  readonly #roots = new Set<ViewChannel>();

  constructor(room: SocketRoom, port: ViewJoinsPort, handshake: Handshake) {
    this.#room = room;
    this.#port = port;
    this.#handshake = handshake;
    this.#budget = new UploadBudget(room.roots.limits.open_upload_bytes);
    this.#kept = new KeptRoots(room.roots.limits.roots);
    this.#rate = new CommandRate(room.roots.limits, () => room.clock.now());
  }

  /** Decides the join of a root; the response of a refusal, or null. */
  async mount(join: Join): Promise<object | null> {
    const limited = this.#room.rates.join(this.#port.principal);
    return limited === null ? this.#mount(join) : limited.toResponse();
  }

  async #mount(join: Join): Promise<object | null> {
    const { channel, topic, joinRef, payload } = join;
    const { codec, credentials } = this.#handshake;
    const { access } = this.#room;
    const { principal } = this.#port;
    const rootId = rootOfTopic(topic) ?? '';
    const terms = {
      channel,
      topic,
      joinRef,
      rootId,
      codec,
      grantsStill: () => access.grantsStill(this.#port.credentials, principal),
      outdated: () => this.#port.principal !== principal,
      closed: () => this.#roots.delete(seat),
    };
    const seat: ViewChannel = new ViewChannel(this.#port, terms);
    const roots = this.#roots.size;
    this.#roots.add(seat);
    const capver = credentials.params.get('capver') ?? '';
    let joined: Subscription | object | null = null;
    try {
      joined = await this.#room.roots.join({
        topic,
        payload,
        principal,
        capver: /^[0-9]{1,9}$/.test(capver) ? Number(capver) : 0,
        roots,
        rate: this.#rate,
        budget: this.#budget,
        kept: this.#kept,
        seat,
        abandoned: () => this.#port.closed,
      });
    } finally {
      if (!(joined instanceof Subscription) || seat.isOutdated) this.#roots.delete(seat);
    }
    if (!(joined instanceof Subscription)) return joined;
    if (seat.isOutdated) {
      // What the join was admitted by has changed meanwhile.
      joined.leave(false);
      return this.#port.closed ? null : this.#mount(join);
    }
    if (this.#port.closed) seat.close('lost');
    return null;
  }

  /** Decides the join by which a file comes. */
  async take({ channel, topic, payload }: Join): Promise<object | null> {
    const ref = topic.slice('musubi_upload:'.length);
    const { principal } = this.#port;
    const admitted = this.#room.transfers.admit(ref, payload, principal);
    if (admitted === null) return { reason: 'unauthorized' };
    const { transfer, resume } = admitted;
    const seat = new TransferChannel(this.#port, channel, transfer);
    const response = await transfer.join(seat, resume);
    if (response === null) return { reason: 'unauthorized' };
    if (!sameRights(this.#port.principal, principal)) {
      transfer.left(seat, 'lost');
      return { reason: 'unauthorized' };
    }
    this.#port.welcome(channel, seat, response);
    if (this.#port.closed) seat.close('lost');
    else transfer.begin();
    return null;
  }
}
