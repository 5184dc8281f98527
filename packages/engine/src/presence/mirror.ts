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

/**
 * A client's copy of who is there (stores.md §10.8.2): the list once, then the differences to it.
 *
 * 1. The map is a new one whenever it differs, and the same one otherwise; who has not changed is the same object.
 * 2. A peer that has two states for a moment shows the one that came last.
 */
export class PresenceMirror {
  #metas = new Map<string, PresenceMeta & { readonly key: string }>();
  #peers: ReadonlyMap<string, MirroredPeer> = new Map();

  /** By their names, see {@link nameOfPeer}. */
  get peers(): ReadonlyMap<string, MirroredPeer> {
    return this.#peers;
  }

  /** What the server says of each. */
  get metas(): Iterable<PresenceMeta & { readonly key: string }> {
    return this.#metas.values();
  }

  /** Takes a push of the server; says whether anybody came, changed or went. */
  take(event: string, payload: unknown): boolean {
    if (event === 'presence_state') {
      this.#metas = new Map();
      this.#add(payload);
    } else if (event === 'presence_diff' && isObject(payload)) {
      // As Phoenix does: what a diff both adds and takes away is gone.
      this.#add(payload['joins']);
      for (const metas of readPresenceList(payload['leaves']).values()) {
        for (const { phx_ref: ref } of metas) this.#metas.delete(ref);
      }
    } else return false;
    return this.#show();
  }

  /** Nobody is known to be there any more. */
  clear(): boolean {
    this.#metas.clear();
    return this.#show();
  }

  #add(list: unknown): void {
    for (const [key, metas] of readPresenceList(list)) {
      for (const meta of metas) this.#metas.set(meta.phx_ref, { ...meta, key });
    }
  }

  #show(): boolean {
    const peers = new Map<string, MirroredPeer>();
    let hasChanged = false;
    for (const { key, peer, state } of this.#metas.values()) {
      const name = nameOfPeer({ key, peer });
      const known = this.#peers.get(name);
      const isSame = known !== undefined && jsonEquals(known.state, state);
      peers.set(name, isSame ? known : { key, peer, state });
    }
    for (const [name, each] of peers) hasChanged ||= this.#peers.get(name) !== each;
    hasChanged ||= peers.size !== this.#peers.size;
    if (hasChanged) this.#peers = peers;
    return hasChanged;
  }
}
