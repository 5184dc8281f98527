import { CommandLedger, type ViewDefinition } from '@holdfast/engine/view';
import { type Json, RejectedError } from '@holdfast/protocol';
import type { StreamOp, ViewFault, ViewJoin, ViewLimits } from '@holdfast/protocol/views';
import { sameRights } from '../access/index.ts';
import {
  type Admitted,
  Admission,
  type Joining,
  placeOf,
  unavailable,
  welcome,
} from './admission.ts';
import { InstanceHost } from './instance-host.ts';
import type { ViewsRoom } from './room.ts';
import type { Subscriber, ViewSeat } from './seat.ts';
import { isShared, Subscription } from './subscription.ts';
import { mayResend, type Resumable, ResumeTokens } from './tokens.ts';
import { UploadBudget } from './uploads/budget.ts';
import type { Transfers } from './uploads/transfers.ts';

const SWEEP_MS = 30_000;
/** So often a server that closes looks whether all is done. */
const drainStepMs = 10;
/** So long who is there stays while `authorize` fails, and so often it is asked meanwhile. */
const doubt = { ms: 3000, everyMs: 1000 };

/** The views of a server, and the instances that run (views.md §4, §11.7). */
export class Roots {
  readonly #room: ViewsRoom;
  readonly #admission: Admission;
  readonly #transfers: Transfers;
  readonly #tokens: ResumeTokens;
  readonly #hosts = new Set<InstanceHost>();
  readonly #shared = new Map<string, Promise<InstanceHost | ViewFault>>();
  readonly #ledgers = new Map<string, CommandLedger>();
  #lastSubscriber = 0;
  #sweeping: unknown;
  #closed = false;

  constructor(room: ViewsRoom, views: readonly ViewDefinition[], transfers: Transfers) {
    this.#room = room;
    this.#admission = new Admission(room, views);
    this.#transfers = transfers;
    this.#tokens = new ResumeTokens(room.newId().slice(0, 8), room.viewLimits.dedupe_ms);
    this.#arm();
  }

  get limits(): ViewLimits {
    return this.#room.viewLimits;
  }

  /** How many instances run. */
  get size(): number {
    return this.#hosts.size;
  }

  /** Every instance as plain data. */
  describe(): readonly object[] {
    return [...this.#hosts].map((host) => host.describe());
  }

  /** Decides a join, in the order of views.md §4.1: the reply has left when it resolves, or this is the error's response. */
  async join(joining: Joining): Promise<Subscription | ViewFault> {
    const began = this.#room.clock.now();
    const joined = await this.#join(joining).finally(() => this.#admission.ended(joining));
    const reason = joined instanceof Subscription ? null : joined.reason;
    const { payload } = joining;
    const { telemetry } = this.#room;
    if (telemetry !== null) {
      const [module, id] = [textIn(payload, 'module'), textIn(payload, 'id')];
      telemetry({ name: 'join', module, id, ms: this.#room.clock.now() - began, reason });
    }
    return joined;
  }

  /** Runs `authorize` again for all subscribers of a view, and ends those whom it refuses (views.md §11.7). */
  async recheck(module: string, id: string | null): Promise<void> {
    this.#admission.doubt(module, id);
    const checks = [...this.#hosts]
      .filter(({ config }) => config.view.name === module && (id === null || config.id === id))
      .flatMap((host) => [...host.subscribers].map((subscriber) => ({ host, subscriber })));
    await Promise.all(checks.map((check) => this.#recheck(check)));
  }

  /** What is no answer is asked for again: where it stays one for a few seconds, nobody knows that they may stay. */
  async #recheck({
    host,
    subscriber,
  }: {
    readonly host: InstanceHost;
    readonly subscriber: Subscriber;
  }): Promise<void> {
    const { view, id } = host.config;
    const { principal, seat } = subscriber;
    const { clock } = this.#room;
    const until = clock.now() + doubt.ms;
    const ask = (): Promise<ViewFault | null> =>
      this.#admission.authorize(view, { principal, params: host.params, id });
    let fault = await ask();
    while (fault !== null && fault.reason !== 'unauthorized' && clock.now() < until) {
      // oxlint-disable-next-line no-await-in-loop -- one question after the other
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, doubt.everyMs));
      // Who has come back meanwhile was let in anew.
      if (subscriber.seat !== seat) return;
      // oxlint-disable-next-line no-await-in-loop -- the same
      fault = await ask();
    }
    if (fault === null) return;
    const { seat: last } = subscriber;
    host.detach(subscriber, false);
    last?.end('failed');
  }

  /** Runs a message at a node of each instance of a root; how many there are. */
  tell(
    module: string,
    id: string,
    told: { readonly message: string; readonly payload: unknown },
  ): number {
    const hosts = [...this.#hosts].filter(
      ({ config }) => config.view.name === module && config.id === id,
    );
    for (const host of hosts) host.step({ type: 'tell', path: [], ...told });
    return hosts.length;
  }

  /** Mounts a view for nobody, and gives what it shows at first, for a page that is rendered on a server. */
  async renderOnce(
    view: ViewDefinition,
    {
      id,
      params,
      principal,
    }: { readonly id: string; readonly params: unknown; readonly principal: unknown },
  ): Promise<{ readonly tree: Json; readonly stream_ops: readonly StreamOp[] }> {
    const passed = await this.#admission.passParams(view, params);
    if ('reason' in passed) {
      const { reason, issues, id: fault } = passed;
      if (issues === undefined) throw new RejectedError('internal_error', { reason, id: fault });
      throw new RejectedError('invalid_params', { issues });
    }
    const fault = await this.#admission.authorize(view, { principal, params: passed.value, id });
    if (fault !== null) throw new RejectedError('unauthorized');
    const host = this.#make({ view, id, params: passed.value, principal }, null);
    const failed = await host.start();
    if (failed !== null) throw new RejectedError('internal_error', { ...failed });
    let shown: { tree: Json; stream_ops: readonly StreamOp[] } = { tree: null, stream_ops: [] };
    const seat: ViewSeat = {
      joined: () => undefined,
      envelope: (_base, _version, { content }) => {
        const [op] = content.ops;
        if (op !== undefined && 'value' in op) {
          shown = { tree: op.value, stream_ops: content.stream_ops };
        }
      },
      answer: () => undefined,
      end: () => undefined,
    };
    const nobody = { number: 0, principal, token: null, capver4: true };
    const ledger = new CommandLedger(this.#room.viewLimits);
    const subscriber = { ...nobody, ledger, budget: new UploadBudget(0), seat };
    await host.attach(subscriber, null, () => undefined);
    host.end();
    return shown;
  }

  /** Takes nobody in any more. Resolves once no task runs in any instance, and none waits; or after so long. */
  async drain(graceMs: number): Promise<void> {
    this.#closed = true;
    const { clock } = this.#room;
    const until = clock.now() + graceMs;
    const isBusy = (): boolean => [...this.#hosts].some((host) => host.describe().isBusy);
    while (clock.now() < until && isBusy()) {
      // oxlint-disable-next-line no-await-in-loop -- until it is so
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, drainStepMs));
    }
  }

  /** Ends all instances, and takes nobody in any more. */
  close(): void {
    this.#closed = true;
    this.#room.clock.clearTimeout(this.#sweeping);
    for (const host of this.#hosts) host.end();
  }

  async #join(joining: Joining): Promise<Subscription | ViewFault> {
    const admitted = this.#closed ? unavailable : await this.#admission.admit(joining);
    if ('reason' in admitted) return admitted;
    if (this.#closed) return unavailable;
    // A Musubi client knows nothing of it, and waits for its first envelope (views.md §4.2).
    const resume = admitted.capver4 ? admitted.request.resume : null;
    const token = resume?.instance ?? null;
    const found = token === null ? null : this.#resumable(admitted, token);
    if (found !== null && resume !== null) {
      const resumed = await this.#resume(admitted, found, resume.version);
      if (resumed !== null) return resumed;
    }
    if (found !== null) this.#tellResume(admitted, 'fresh');
    return this.#mount(admitted, found);
  }

  /** What a token stands for, if it is known here and is this principal's and this root's (views.md §4.5). */
  #resumable({ joining, place }: Admitted, token: string): Resumable | null {
    const found = this.#tokens.find(token);
    if (found === null || found.place !== place) return null;
    return found.principal.subject === joining.principal.subject ? found : null;
  }

  async #resume(
    admitted: Admitted,
    found: Resumable,
    version: number,
  ): Promise<Subscription | ViewFault | null> {
    const { joining } = admitted;
    if (found.live === null || joining.abandoned()) return null;
    // What runs goes by the rights that it was mounted with. A renewed token of the same rights is no other person.
    if (!sameRights(found.principal, joining.principal)) return null;
    const { host, subscriber } = found.live;
    const resend = mayResend(found, this.#room.clock.now());
    const former = subscriber.seat;
    if (former !== null) {
      host.detach(subscriber, true);
      former.end('replaced');
    }
    host.move(subscriber, joining);
    const subscription = this.#subscribe(admitted, { host, subscriber });
    const outcome = await host.attach(subscriber, version, (at, resumed) => {
      found.leftAt = null;
      const of = { version: at, resumed, token: subscriber.token, resend };
      joining.seat.joined(welcome(admitted, of), subscription);
    });
    // Its client has come again meanwhile, by another connection.
    if (subscriber.seat !== null && subscriber.seat !== joining.seat) return unavailable;
    if (outcome === 'lost') return null;
    this.#tellResume(admitted, outcome === 'resumed' ? 'hit' : 'full');
    return subscription;
  }

  async #mount(admitted: Admitted, former: Resumable | null): Promise<Subscription | ViewFault> {
    const { view } = admitted;
    const host = await this.#hostFor(admitted);
    if (!(host instanceof InstanceHost)) return host;
    const asked = this.#admission.confirm(admitted);
    const fault = asked instanceof Promise ? await asked : asked;
    if (fault !== null) {
      // What is shared is there for others, or ends by itself.
      if (!isShared(view)) host.end();
      return fault;
    }
    // What is shared may have ended while somebody was asked: they come to the next.
    const isLate = asked instanceof Promise && host.ended;
    if (isLate && isShared(view)) return this.#mount(admitted, former);
    return this.#enter(admitted, host, former);
  }

  async #enter(
    admitted: Admitted,
    host: InstanceHost,
    former: Resumable | null,
  ): Promise<Subscription | ViewFault> {
    const { joining, request, place, capver4 } = admitted;
    const { principal, seat, budget } = joining;
    const token = request.resume !== null && capver4 ? this.#tokens.draw() : null;
    this.#lastSubscriber += 1;
    const number = this.#lastSubscriber;
    const ledger = former?.ledger ?? this.#ledgerOf(request, principal.subject);
    const subscriber: Subscriber = { number, principal, token, capver4, ledger, seat, budget };
    if (token !== null) {
      const live = { host, subscriber };
      this.#tokens.set(token, { principal, place, ledger, live, leftAt: null, until: null });
    }
    const resend = former !== null && mayResend(former, this.#room.clock.now());
    const subscription = this.#subscribe(admitted, { host, subscriber });
    const outcome = await host.attach(subscriber, null, (version) => {
      const of = { version, resumed: false, token, resend };
      seat.joined(welcome(admitted, of), subscription);
    });
    if (outcome === 'lost') return { reason: 'internal error', id: this.#room.newId() };
    return subscription;
  }

  /** What a client asks of the instance that it has come to. */
  #subscribe(
    { joining, view, request: { id } }: Admitted,
    { host, subscriber }: { readonly host: InstanceHost; readonly subscriber: Subscriber },
  ): Subscription {
    const { rate, kept } = joining;
    const { principal, token } = subscriber;
    return new Subscription(host, subscriber, {
      rate,
      kept,
      passParams: (given) => this.#admission.passParams(view, given),
      authorize: (params) => this.#admission.authorize(view, { principal, params, id }),
      left: () => {
        if (token !== null) this.#tokens.left(token, this.#room.clock.now());
      },
    });
  }

  async #hostFor(admitted: Admitted): Promise<InstanceHost | ViewFault> {
    const { view, request, params, place, joining } = admitted;
    const of = { view, id: request.id, params };
    if (!isShared(view)) return this.#start({ ...of, principal: joining.principal }, null);
    const known = this.#shared.get(place);
    if (known !== undefined) {
      const running = await known;
      if (!(running instanceof InstanceHost) || !running.ended) return running;
      if (this.#shared.get(place) === known) this.#shared.delete(place);
      return this.#hostFor(admitted);
    }
    const starting = this.#start({ ...of, principal: null }, place);
    this.#shared.set(place, starting);
    const host = await starting;
    if (!(host instanceof InstanceHost) && this.#shared.get(place) === starting) {
      this.#shared.delete(place);
    }
    return host;
  }

  async #start(
    of: Pick<InstanceHost['config'], 'view' | 'id' | 'params' | 'principal'>,
    place: string | null,
  ): Promise<InstanceHost | ViewFault> {
    const host = this.#make(of, place);
    return (await host.start()) ?? host;
  }

  #make(
    of: Pick<InstanceHost['config'], 'view' | 'id' | 'params' | 'principal'>,
    place: string | null,
  ): InstanceHost {
    const { viewLimits: limits, dev } = this.#room;
    const host: InstanceHost = new InstanceHost(
      this.#room,
      { ...of, limits, dev },
      {
        uploads: (step) => this.#transfers.deskOf(of.view, step),
        owner: {
          forgot: ({ token }) => {
            if (token !== null) this.#tokens.retire(token, this.#room.clock.now());
          },
          moved: (params, given) => {
            const next = placeOf({ module: of.view.name, id: of.id }, params, given);
            for (const { token } of host.subscribers) {
              const found = token === null ? null : this.#tokens.find(token);
              if (found !== null) found.place = next;
            }
          },
          ended: () => {
            this.#hosts.delete(host);
            if (place !== null) this.#shared.delete(place);
          },
        },
      },
    );
    this.#hosts.add(host);
    return host;
  }

  /** Who signed in has one memory of commands for a root, wherever they come from (views.md §7.3). */
  #ledgerOf({ module, id }: ViewJoin, subject: string | null): CommandLedger {
    const { viewLimits } = this.#room;
    if (subject === null) return new CommandLedger(viewLimits);
    const key = JSON.stringify([module, id, subject]);
    const ledger = this.#ledgers.get(key) ?? new CommandLedger(viewLimits);
    this.#ledgers.set(key, ledger);
    return ledger;
  }

  #tellResume({ request }: Admitted, outcome: 'hit' | 'full' | 'fresh'): void {
    this.#room.telemetry?.({ name: 'resume', module: request.module, id: request.id, outcome });
  }

  /** Whoever is there, or may come back, goes on with the memory that it has: with it goes nobody else's. */
  #sweepLedgers(now: number): void {
    const there = Array.from(this.#hosts, ({ subscribers }) => [...subscribers]).flat();
    const inUse = new Set([...there.map(({ ledger }) => ledger), ...this.#tokens.ledgers()]);
    for (const [key, ledger] of this.#ledgers) {
      if (ledger.isIdle(now) && !inUse.has(ledger)) this.#ledgers.delete(key);
    }
  }

  #arm(): void {
    const { clock } = this.#room;
    this.#sweeping = clock.setTimeout(() => {
      const now = clock.now();
      this.#tokens.sweep(now);
      this.#sweepLedgers(now);
      this.#arm();
    }, SWEEP_MS);
  }
}

function textIn(payload: unknown, field: string): string {
  const value: unknown =
    typeof payload === 'object' && payload !== null ? Reflect.get(payload, field) : null;
  return typeof value === 'string' ? value : '';
}
