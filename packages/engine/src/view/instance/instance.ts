import { isPromised, type Json } from '@holdfast/protocol';
import type { EnvelopeTail, ViewFault } from '@holdfast/protocol/views';
import { Alarms } from './alarms.ts';
import { Audience } from './audience.ts';
import { refusalOf, untold } from './command.ts';
import { areStreamsHeld, nodesOf, streamContents } from './contents.ts';
import { Cycles } from './cycles.ts';
import { InnerWorld } from './inner-world.ts';
import type { Layer } from './layer.ts';
import { Loads } from './loads.ts';
import { keyOf, ViewNode, withDescendants } from './node.ts';
import type { RenderFailure } from './render-failure.ts';
import { Requests } from './requests.ts';
import { Tasks } from './tasks.ts';
import type {
  InstanceConfig,
  InstanceDescription,
  InstanceEffect,
  InstanceInput,
  InstancePorts,
  UploadInput,
} from './types.ts';
import { Uploads } from './uploads.ts';
import { unmount } from './unmount.ts';
import { checkWatch } from './watching.ts';
import type { World } from './world.ts';

/*
 * A root with all below it: its state, its one queue of tasks, its subscribers (views.md §1).
 *
 *      start              first render           leave, linger, end
 *   new ─────▶ mounting ──────────────▶ live ───────────────────────▶ ended
 *                  └── it fails: ended
 *
 * Application code runs within the steps and may call back from them, and from promises of its own; so effects are
 * performed as they arise, in order, and what comes meanwhile waits until the step is done.
 *
 * I1  Nothing that application code starts, fails or finishes after the mount ends the instance (§11.2).
 * I2  A request is answered before the envelope that it causes, and requests of one subscriber in their order (§5.6).
 */

type Input<T extends InstanceInput['type']> = Extract<InstanceInput, { readonly type: T }>;

export class Instance {
  readonly #config: InstanceConfig;
  readonly #ports: InstancePorts;
  readonly #alarms = new Alarms();
  readonly #audience: Audience;
  readonly #tasks: Tasks;
  readonly #cycles: Cycles;
  readonly #loads: Loads;
  readonly #uploads: Uploads;
  readonly #requests: Requests;
  readonly #world: World;
  readonly #isShared: boolean;
  #phase: InstanceDescription['phase'] = 'new';
  readonly #inbox: (() => void)[] = [];
  /** Who came before the first render was done. */
  readonly #arrivals: Input<'attach'>[] = [];
  /** Who comes and waits for a render, by its last coming. */
  readonly #awaited = new Map<number, Input<'attach'>>();
  #isBusy = false;
  #wakeAt = Infinity;
  /** The end of an instance that nobody needs. */
  #stopLinger = (): void => undefined;

  constructor(config: InstanceConfig, ports: InstancePorts) {
    this.#config = config;
    this.#ports = ports;
    this.#isShared = config.view.scope === 'shared';
    this.#world = new InnerWorld({ config, ports, alarms: this.#alarms }, () => ({
      cycles: this.#cycles,
      tasks: this.#tasks,
      loads: this.#loads,
      uploads: this.#uploads,
    }));
    const parts = {
      world: this.#world,
      enter: (run: () => void): void => this.#enter(run),
      merge: (layer: Layer): void => this.#cycles.merge(layer),
    };
    this.#audience = this.#makeAudience();
    this.#loads = new Loads(parts);
    this.#uploads = new Uploads({
      ...parts,
      audience: this.#audience,
      tell: (ops) => this.#cycles.addUploadOps(ops),
    });
    this.#tasks = new Tasks({
      ...parts,
      isLive: () => this.#phase === 'live',
      version: () => this.#audience.version,
      commit: (commit) => this.#cycles.commit(commit),
    });
    this.#requests = new Requests({
      ...parts,
      audience: this.#audience,
      tasks: this.#tasks,
      root: () => this.#cycles.root,
    });
    this.#cycles = new Cycles({
      ...parts,
      audience: this.#audience,
      rateMs: 1000 / (config.view.maxRate ?? config.limits.max_rate),
      holdMs: config.view.mountTimeout ?? config.limits.mount_ms,
      rebase: (top) => this.#tasks.rebase(top),
      mounted: () => this.#mounted(),
      failed: (failure) => this.#failed(failure),
      ended: (nodes) => this.#endNodes(nodes),
      deliver: (messages) => this.#requests.deliver(messages),
      configs: (node) => this.#uploads.configs(node),
      checkWatch: (watch) => checkWatch(this.#world, watch),
    });
  }

  /** Takes in what happened. */
  step(input: InstanceInput): void {
    this.#enter(() => this.#hear(input));
  }

  /** The wire tree that clients have, or will have with the next envelope. */
  get tree(): Json {
    return this.#cycles.tree;
  }

  /** Of what all are told (views.md §1). */
  get version(): number {
    return this.#audience.version;
  }

  describe(): InstanceDescription {
    return {
      phase: this.#phase,
      version: this.#audience.version,
      nodes: this.#cycles.index.size,
      queued: this.#tasks.length,
      isBusy: this.#tasks.isBusy,
      subscribers: this.#audience.size,
      logged: this.#audience.logged,
    };
  }

  #enter(run: () => void): void {
    this.#inbox.push(run);
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        if (this.#phase !== 'ended') next();
      }
    } catch (cause) {
      this.#stop(cause);
    }
    this.#isBusy = false;
    if (this.#phase === 'ended' || this.#alarms.next === this.#wakeAt) return;
    this.#wakeAt = this.#alarms.next;
    this.#ports.perform({ type: 'wake', at: this.#wakeAt });
  }

  #hear(input: InstanceInput): void {
    if (isRequest(input)) this.#requests.hear(input);
    else if (isUpload(input)) this.#uploads.hear(input);
    else this.#live(input);
  }

  #live(input: Exclude<InstanceInput, RequestInput | UploadInput>): void {
    switch (input.type) {
      case 'start':
        return this.#start();
      case 'attach':
        return this.#attach(input);
      case 'detach':
        return this.#detach(input);
      case 'lagging':
        return this.#audience.lag(input.subscriber);
      case 'recovered':
        return this.#audience.recover(input.subscriber);
      case 'turn':
        this.#cycles.turn();
        return this.#tasks.turn();
      case 'wake':
        this.#wakeAt = Infinity;
        return this.#alarms.ring(this.#ports.now());
      case 'end':
        return this.#end();
    }
  }

  #start(): void {
    const { view, id, params } = this.#config;
    const props = { params, passed: params, on: {} };
    this.#phase = 'mounting';
    const of = { view, id, storeId: [], parent: null };
    const root = new ViewNode(of, props, this.#world.touch);
    this.#cycles.mount(root);
  }

  #mounted(): void {
    this.#phase = 'live';
    this.#ports.perform({ type: 'mounted' });
    this.#linger();
    for (const input of this.#arrivals) this.#letIn(input);
    this.#arrivals.length = 0;
    this.#tasks.next();
  }

  #failed({ node, cause }: RenderFailure): void {
    const refusal = refusalOf(cause);
    const response: ViewFault =
      refusal?.reason === 'unauthorized'
        ? { reason: 'unauthorized' }
        : {
            reason: 'internal error',
            id: this.#world.fault('mount', node, untold(cause, 'mount')),
          };
    this.#ports.perform({ type: 'failed', response, cause });
    this.#end();
  }

  #attach(input: Input<'attach'>): void {
    if (this.#phase !== 'live') {
      this.#arrivals.push(input);
      return;
    }
    // What nobody has seen is rendered before somebody comes; but the first envelope is for who comes first (§4.4).
    const isReady = this.#audience.isPresent || this.#audience.isFresh;
    if (isReady) {
      this.#letIn(input);
      return;
    }
    const { subscriber } = input;
    this.#awaited.set(subscriber, input);
    this.#stopLinger();
    this.#cycles.flush(() => {
      if (this.#awaited.get(subscriber) !== input) return;
      this.#awaited.delete(subscriber);
      this.#letIn(input);
    });
  }

  #letIn(input: Input<'attach'>): void {
    this.#stopLinger();
    if (this.#audience.attach(input)) {
      this.#cycles.ask();
      return;
    }
    this.#ports.perform({ type: 'lost', subscriber: input.subscriber });
    this.#audience.forget(input.subscriber);
    this.#end();
  }

  #detach({ subscriber, keep }: Input<'detach'>): void {
    this.#requests.forget(subscriber);
    this.#awaited.delete(subscriber);
    // Who was not let in yet has nothing here to come back to.
    if (!this.#audience.has(subscriber)) this.#ports.perform({ type: 'forgot', subscriber });
    else if (keep) this.#keep(subscriber);
    else this.#forget(subscriber);
    if (!this.#isShared && !keep) {
      this.#end();
      return;
    }
    this.#cycles.settleUnseen();
    this.#linger();
  }

  /** It may come back for a while; in a shared view who does not is forgotten, else the instance ends (views.md §4.4). */
  #keep(subscriber: number): void {
    const until = this.#ports.now() + this.#lingerMs;
    this.#audience.keep(subscriber, until);
    if (!this.#isShared) return;
    this.#alarms.set(until, () => {
      // Since then it may have come back, and gone again; or is about to be let in.
      if (this.#awaited.has(subscriber)) return;
      if (this.#audience.isOverdue(subscriber, until)) this.#forget(subscriber);
    });
  }

  #forget(subscriber: number): void {
    this.#audience.forget(subscriber);
    this.#uploads.subscriberGone(subscriber);
  }

  /** Without anybody there, or about to be let in, it ends after a while. */
  #linger(): void {
    this.#stopLinger();
    if (this.#audience.isPresent || this.#awaited.size > 0) return;
    this.#stopLinger = this.#alarms.set(this.#ports.now() + this.#lingerMs, () => this.#end());
  }

  get #lingerMs(): number {
    return this.#config.view.linger ?? this.#config.limits.linger_ms;
  }

  #endNodes(nodes: readonly ViewNode[]): void {
    this.#audience.ended(nodes);
    for (const node of nodes) {
      unmount(this.#world, node);
      this.#uploads.nodeEnded(node);
      node.end();
    }
  }

  /** What it was amid is half done: nothing of it can be trusted. */
  #stop(cause: unknown): void {
    this.#inbox.length = 0;
    this.#ports.perform({ type: 'stopped', cause });
    try {
      this.#end();
    } catch (error) {
      this.#phase = 'ended';
      this.#ports.perform({ type: 'stopped', cause: error });
    }
  }

  #end(): void {
    if (this.#phase === 'ended') return;
    const root = this.#cycles.root;
    this.#tasks.end();
    this.#cycles.end();
    this.#endNodes(root === null ? [] : [...withDescendants(root)]);
    this.#phase = 'ended';
    this.#alarms.clear();
    for (const id of this.#audience.ids()) this.#audience.forget(id);
    this.#ports.perform({ type: 'wake', at: Infinity });
    this.#ports.perform({ type: 'ended' });
  }

  #makeAudience(): Audience {
    return new Audience({
      limits: this.#config.limits,
      isShared: this.#isShared,
      perform: (effect) => this.#perform(effect),
      tree: () => this.#cycles.tree,
      content: () => this.#content(),
      uploadsOf: (subscriber) => this.#uploads.opsOf(subscriber),
      has: (id) => this.#world.find(keyOf(id)) !== null,
      isRetained: ({ store_id: id, stream }) =>
        this.#world.find(keyOf(id))?.streams?.get(stream)?.items !== null,
      hasAllStreams: () => areStreamsHeld(this.#cycles.root),
      matches: (to, principal) => this.#matches(to, principal),
    });
  }

  #content(): Pick<EnvelopeTail, 'stream_ops' | 'upload_ops'> {
    const { root } = this.#cycles;
    const uploads = nodesOf(root).flatMap((node) => this.#uploads.configs(node));
    return { stream_ops: streamContents(root), upload_ops: uploads };
  }

  #matches(to: (principal: unknown) => unknown, principal: unknown): boolean {
    try {
      const said = to(principal);
      if (isPromised(said)) throw new TypeError('Whom an event is for must be said at once.');
      return Boolean(said);
    } catch (error) {
      const { root } = this.#cycles;
      if (root !== null) this.#world.fault('send', root, error);
      return false;
    }
  }

  #perform(effect: InstanceEffect): void {
    this.#ports.perform(effect);
    // The instance of one subscriber is nothing without it (§11.6).
    if (effect.type === 'drop' && !this.#isShared) this.#enter(() => this.#end());
  }
}

type RequestInput = Parameters<Requests['hear']>[0];

const requests: ReadonlySet<string> = new Set(['command', 'answer', 'params', 'tell']);

function isRequest(input: InstanceInput): input is RequestInput {
  return requests.has(input.type);
}

const uploads: ReadonlySet<string> = new Set([
  'allow_upload',
  'cancel_upload',
  'refresh_upload',
  'upload_progress',
  'upload_error',
  'received',
  'broken',
]);

function isUpload(input: InstanceInput): input is UploadInput {
  return uploads.has(input.type);
}
