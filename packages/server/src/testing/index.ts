import { Mirror, nodeKey } from '@holdfast/engine/mirror';
import { UploadBook } from '@holdfast/engine/mirror/uploads';
import type { Tail } from '@holdfast/engine/view';
import { type Json, type NodeSnapshot, RejectedError } from '@holdfast/protocol';
import { type Envelope, rootIdOf, type ViewEvent, viewTopic } from '@holdfast/protocol/views';
import { orgOf, type Principal, scopes } from '../access/index.ts';
import {
  CommandRate,
  Subscription,
  KeptRoots,
  UploadBudget,
  type View,
  type ViewSeat,
  type ViewStore,
  type ViewTypes,
} from '../views/index.ts';
import { settled, TestClock } from './test-clock.ts';
import { openTestServer } from './test-stores.ts';

export { TestClock } from './test-clock.ts';

/** How a view is mounted in a test (views.md §16). */
export type TestOptions = {
  /** Default: `test`. */
  readonly id?: string;
  readonly params?: object;
  /** Who is connected; what is left out is that of somebody who may do everything with these stores. */
  readonly principal?: Partial<Principal> & { readonly [added: string]: unknown };
  /** The stores that there are, by name, and what is at their first level. */
  readonly stores?: { readonly [name: string]: object };
  /** Default: one of its own. */
  readonly clock?: TestClock;
};

/** A view that is mounted in memory, in virtual time, by the code that serves it. */
export type TestedView<V> = {
  /** The tree as it is on the wire. */
  tree(): Json;
  /** The root as clients see it. */
  snapshot(): NodeSnapshot<ViewTypes<V>>;
  /**
   * Sends a command, to the root or to a node; rejects with a {@link RejectedError} where it is refused, whose `cause` is what
   * application code threw, where that is why.
   */
  dispatch(
    name: string,
    payload?: object,
    options?: { readonly storeId?: readonly string[] },
  ): Promise<unknown>;
  /** Runs a message at the root; false where it is not there any more. */
  tell(message: string, payload?: object): Promise<boolean>;
  /** Lets milliseconds pass, with all that happens in them. */
  advance(ms: number): Promise<void>;
  /** What was sent to the client, in order. */
  envelopes(): readonly Envelope[];
  events(): readonly ViewEvent[];
  /** A store, with the authority of the server. What is written to it is rendered as time goes on: `advance(20)`. */
  store(name: string): ViewStore;
  /** What application code threw, and what authors are warned of. */
  readonly faults: readonly unknown[];
  readonly warnings: readonly string[];
  /** Ends the view, as a client that leaves. */
  end(): Promise<void>;
};

const everything: Principal = {
  subject: 'test',
  orgs: [],
  scopes: new Set(scopes),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/**
 * Mounts a view without a socket; rejects with a {@link RejectedError} where a client would not be let in. Its `cause` is what
 * application code threw, where that is why.
 */
export async function testView<V extends View>(
  view: V,
  options: TestOptions = {},
): Promise<TestedView<V>> {
  const { id = 'test', params = {}, stores = {}, clock = new TestClock() } = options;
  const orgs = [...new Set(Object.keys(stores).map(orgOf))];
  const faults: unknown[] = [];
  const warnings: string[] = [];
  const server = await openTestServer(
    { app: { views: [view], records: [] } },
    {
      clock,
      stores,
      report: (_what, error) => void faults.push(error),
      warn: (what) => void warnings.push(what),
    },
  );
  const { roots } = server.views;
  const client = new TestClient(rootIdOf(view.name, id));
  const joined = await roots.join({
    topic: viewTopic(rootIdOf(view.name, id)),
    payload: overTheWire({ module: view.name, id, params, capver: 4 }),
    principal: { ...everything, orgs, ...options.principal },
    capver: 4,
    roots: 0,
    budget: new UploadBudget(roots.limits.open_upload_bytes),
    kept: new KeptRoots(roots.limits.roots),
    rate: new CommandRate(roots.limits, () => clock.now()),
    seat: client,
    abandoned: () => false,
  });
  if (!(joined instanceof Subscription)) {
    server.views.close();
    const { reason, ...details } = joined;
    throw causedBy(faults, new RejectedError(reason, details));
  }
  return {
    tree: () => client.mirror.tree ?? null,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the view renders, by its type
    snapshot: () => client.mirror.snapshot(nodeKey([])) as NodeSnapshot<ViewTypes<V>>,
    dispatch: async (name, payload = {}, { storeId = [] } = {}) => {
      const before = faults.length;
      const reply = client.ask(joined, 'command', { store_id: storeId, name, payload });
      try {
        return await reply;
      } catch (error) {
        throw causedBy(faults.slice(before), error);
      } finally {
        await settled();
      }
    },
    tell: async (message, payload = {}) => {
      const told = roots.tell(view.name, id, { message, payload }) > 0;
      await settled();
      return told;
    },
    advance: (ms) => clock.advance(ms),
    envelopes: () => client.envelopes,
    events: () => client.envelopes.flatMap(({ events }) => events),
    store: (name) => server.store(name),
    faults,
    warnings,
    end: async () => {
      joined.leave(false);
      client.end();
      await settled();
      server.views.close();
    },
  };
}

/** What JSON makes of it, as where a client sends it. */
function overTheWire(payload: object): unknown {
  return JSON.parse(JSON.stringify(payload));
}

/** The error, with the fault that it stands for, if there is one: clients are told an id. */
function causedBy([fault]: readonly unknown[], error: unknown): unknown {
  if (error instanceof Error && fault !== undefined) error.cause = fault;
  return error;
}

/** The client's end, without a wire. */
class TestClient implements ViewSeat {
  readonly envelopes: Envelope[] = [];
  readonly mirror: Mirror;
  readonly #rootId: string;
  readonly #asked = new Map<number, { resolve(reply: object): void; reject(error: Error): void }>();
  #slots = 0;
  #hasEnded = false;

  constructor(rootId: string) {
    this.#rootId = rootId;
    this.mirror = new Mirror({ freeze: true });
    this.mirror.useReader(new UploadBook());
    this.mirror.joined({ rootId, capver: 4, resumed: false });
  }

  ask(subscription: Subscription, event: string, payload: object): Promise<object> {
    if (this.#hasEnded) return Promise.reject(new RejectedError('closed'));
    this.#slots += 1;
    const slot = this.#slots;
    return new Promise((resolve, reject) => {
      this.#asked.set(slot, { resolve, reject });
      subscription.push(slot, event, overTheWire(payload));
    });
  }

  joined(): void {
    // What it is told there, tests do not ask.
  }

  envelope(base: number, version: number, tail: Tail): void {
    const envelope: Envelope = {
      type: 'patch',
      root_id: this.#rootId,
      base_version: base,
      version,
      ...tail.content,
    };
    this.envelopes.push(envelope);
    if (this.mirror.take(JSON.parse(JSON.stringify(envelope))) === null) {
      throw new Error(`an envelope does not fit: ${JSON.stringify(envelope)}`);
    }
  }

  answer({ slot }: { readonly slot: number }, status: 'ok' | 'error', response: object): void {
    const asked = this.#asked.get(slot);
    this.#asked.delete(slot);
    if (status === 'ok') {
      asked?.resolve(response);
    } else {
      const { reason = 'internal_error', ...details }: { reason?: string } = response;
      asked?.reject(new RejectedError(reason, details));
    }
  }

  end(): void {
    this.#hasEnded = true;
    for (const asked of this.#asked.values()) asked.reject(new RejectedError('closed'));
    this.#asked.clear();
  }
}
