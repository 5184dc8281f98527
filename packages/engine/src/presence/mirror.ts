import { escapeSegment, isObject, jsonEquals, type JsonObject } from '@holdfast/protocol';
import { type PresenceMeta, readPresenceList } from '@holdfast/protocol/presence';

/** Somebody who is there, as a client sees it. */
export type MirroredPeer = {
  /** The subject of its token. */
  readonly key: string;
  readonly peer: string;
  readonly state: JsonObject;
};

/** Names a peer among all: the key as a segment of a path, for it may hold a slash as peers may. */
export function nameOfPeer({ key, peer }: Pick<MirroredPeer, 'key' | 'peer'>): string {
  return `${escapeSegment(key)}/${peer}`;
}

type Meta = PresenceMeta & { readonly key: string };

/**
 * A client's copy of who is there (stores.md §10.8.2): the list once, then the differences to it.
 *
 * 1. The map is a new one whenever it differs, in its order too, and the same one otherwise; who has not changed is the
 *    same object.
 * 2. A peer that has two states for a moment shows the one that came last.
 * 3. Its order is that of a list that the server tells now, so that all see the same.
 */
export class PresenceMirror {
  readonly #byKey = new Map<string, Map<string, Meta>>();
  #peers: ReadonlyMap<string, MirroredPeer> = new Map();

  /** By their names, see {@link nameOfPeer}. */
  get peers(): ReadonlyMap<string, MirroredPeer> {
    return this.#peers;
  }

  /** What the server says of each. */
  get metas(): readonly Meta[] {
    // A list is an object: its keys that are whole numbers come first.
    const byKey = Object.values(Object.fromEntries(this.#byKey));
    return byKey.flatMap((metas) => Array.from(metas.values()));
  }

  /** Takes a push of the server; says whether anybody came, changed or went. */
  take(event: string, payload: unknown): boolean {
    if (event === 'presence_state') {
      this.#byKey.clear();
      this.#add(payload);
    } else if (event === 'presence_diff' && isObject(payload)) {
      // As Phoenix does: what a diff both adds and takes away is gone.
      this.#add(payload['joins']);
      for (const [key, metas] of readPresenceList(payload['leaves'])) {
        const known = this.#byKey.get(key);
        for (const { phx_ref: ref } of metas) known?.delete(ref);
        if (known?.size === 0) this.#byKey.delete(key);
      }
    } else return false;
    return this.#show();
  }

  /** Nobody is known to be there any more. */
  clear(): boolean {
    this.#byKey.clear();
    return this.#show();
  }

  #add(list: unknown): void {
    for (const [key, metas] of readPresenceList(list)) {
      const known = this.#byKey.get(key) ?? new Map<string, Meta>();
      for (const meta of metas) known.set(meta.phx_ref, { ...meta, key });
      if (known.size > 0) this.#byKey.set(key, known);
    }
  }

  #show(): boolean {
    const peers = new Map<string, MirroredPeer>();
    for (const { key, peer, state } of this.metas) {
      const name = nameOfPeer({ key, peer });
      const known = this.#peers.get(name);
      const isSame = known !== undefined && jsonEquals(known.state, state);
      peers.set(name, isSame ? known : { key, peer, state });
    }
    const before = [...this.#peers.values()];
    const hasChanged =
      peers.size !== before.length || [...peers.values()].some((each, at) => each !== before[at]);
    if (hasChanged) this.#peers = peers;
    return hasChanged;
  }
}
