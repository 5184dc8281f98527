import { isObject } from '@holdfast/protocol';
import type { Tongue } from './tongue.ts';
import { type Frame, listOf, type Payload } from './frames.ts';
import { accepted, Peer } from './peer.ts';
import { demand, show } from './violation.ts';

/** What every check of a run has in common. */
export type Setting = {
  readonly url: string;
  readonly token: string;
  readonly readOnlyToken: string | null;
  readonly store: string;
  readonly timeoutMs: number;
  /** A word that no other run has used in this store. */
  readonly word: string;
};

/** How a connection departs from the usual; null leaves a parameter out. */
export type Manner = {
  readonly mount?: string;
  readonly token?: string | null;
  readonly bearer?: string;
  readonly device?: string | null;
  readonly capver?: string | null;
  readonly vsn?: string | null;
};

/** A leaf as a snapshot tells it. */
export type SeenLeaf = {
  readonly value: unknown;
  readonly type: unknown;
  readonly revision: unknown;
};

/** Where one check plays: a part of the store of its own, and peers that are cut when it is over. */
export class Stage {
  readonly setting: Setting;
  readonly tongue: Tongue;
  readonly topic: string;
  /** Everything that the check writes is below this path. */
  readonly root: string;
  readonly #peers: Peer[] = [];
  readonly #name: string;
  #ids = 0;

  constructor(setting: Setting, tongue: Tongue, number: string) {
    this.setting = setting;
    this.tongue = tongue;
    this.topic = `store:${setting.store}`;
    const short = tongue.format === 'json' ? 'j' : 'm';
    this.#name = `${setting.word}-${number}-${tongue.capver}${short}`;
    this.root = `conformance/${this.#name}`;
  }

  /** A path below the root. */
  path(rest: string): string {
    return `${this.root}/${rest}`;
  }

  /** A name that was not used before: for op ids, devices, paths. */
  id(): string {
    this.#ids += 1;
    return `${this.#name}-${this.#ids}`;
  }

  /** A peer with an open socket. */
  async connect(manner: Manner = {}): Promise<Peer> {
    const { setting } = this;
    const device = manner.device ?? this.id();
    const vsn = this.tongue.format === 'json' ? '2.0.0' : '3.0.0';
    const query = new URLSearchParams();
    const put = (name: string, value: string | null): void => {
      if (value !== null) query.set(name, value);
    };
    put('token', manner.token === undefined ? setting.token : manner.token);
    put('device_id', manner.device === null ? null : device);
    put('capver', manner.capver === undefined ? String(this.tongue.capver) : manner.capver);
    put('vsn', manner.vsn === undefined ? vsn : manner.vsn);
    const mount = manner.mount ?? '/ws/sync/websocket';
    const peer = await Peer.connect({
      address: `${setting.url}${mount}?${query.toString()}`,
      bearer: manner.bearer ?? null,
      vsn: manner.vsn ?? vsn,
      device,
      topic: this.topic,
      timeoutMs: setting.timeoutMs,
      nextId: () => this.id(),
    });
    this.#peers.push(peer);
    return peer;
  }

  /** A peer that has joined, caught up, and hears what happens below the root. */
  async joined(manner: Manner = {}): Promise<Peer> {
    const peer = await this.connect(manner);
    const capver = manner.capver ?? String(this.tongue.capver);
    accepted(await peer.join(capver === '3' ? await this.#fromNow() : this.whole()));
    await peer.caughtUp();
    return peer;
  }

  /** The join of capver 4 that has nothing yet and wants everything below the root. */
  whole(): Payload {
    return { last_store_seq: 0, patterns: [`${this.root}/**`] };
  }

  /** What is below the root now, as a peer of capver 4 is told that has just come. */
  async read(): Promise<ReadonlyMap<string, SeenLeaf>> {
    const peer = await this.connect({ capver: '4' });
    accepted(await peer.join(this.whole()));
    const leaves = leavesIn(await peer.caughtUp());
    peer.cut();
    return leaves;
  }

  /** The last seq of the store. */
  async head(): Promise<number> {
    const peer = await this.connect({ capver: '4' });
    const { store_seq: head } = accepted(await peer.join({ last_store_seq: 0, patterns: [] }));
    peer.cut();
    return Number(head);
  }

  /** Removes what the check wrote; live leases stay until they end. */
  async sweep(): Promise<void> {
    const peer = await this.connect({ capver: '4' });
    accepted(await peer.join({ last_store_seq: 0, patterns: [] }));
    await peer.seq('delete', this.root);
  }

  /** Ends all that the check began. */
  end(): void {
    for (const peer of this.#peers) peer.cut();
  }

  async #fromNow(): Promise<Payload> {
    return { last_store_seq: await this.head() };
  }
}

/** The leaves in the chunks of a snapshot, in the order in which they came. */
export function leavesIn(frames: readonly Frame[]): ReadonlyMap<string, SeenLeaf> {
  const leaves = new Map<string, SeenLeaf>();
  for (const [, , , event, payload] of frames) {
    if (event !== 'snapshot_chunk') continue;
    for (const entry of listOf(payload, 'entries')) {
      demand(Array.isArray(entry) && entry.length === 4, `not an entry: ${show(entry)}`);
      const [path, value, type, revision]: readonly unknown[] = entry;
      leaves.set(String(path), { value, type, revision });
    }
  }
  return leaves;
}

/** The one frame of an event; its payload. */
export function onlyOf(frames: readonly Frame[], event: string): Payload {
  const found = frames.filter((frame) => frame[3] === event);
  demand(found.length === 1, `expected one ${event}, got ${found.length}`);
  const payload = found[0]?.[4];
  demand(isObject(payload), `no ${event}`);
  return payload;
}
