import type { PresenceDiff, PresenceList, PresenceMeta } from '@holdfast/protocol/presence';
import type { Presence } from './types.ts';

/**
 * Everybody of one topic by key, and what of that was told: the difference is the next diff. What came and went in
 * between is told to nobody, and a state that replaced another names the one that was told.
 */
export class Directory {
  readonly #byKey = new Map<string, Map<string, Presence>>();
  readonly #told = new Map<string, Map<string, PresenceMeta>>();
  readonly #changed = new Set<string>();
  #size = 0;
  #list: PresenceList | null = null;

  /** Presences known, told or not. */
  get size(): number {
    return this.#size;
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  add(presence: Presence): void {
    const all = this.#byKey.get(presence.key) ?? new Map<string, Presence>();
    if (!all.has(presence.ref)) this.#size++;
    all.set(presence.ref, presence);
    this.#byKey.set(presence.key, all);
    this.#changed.add(presence.key);
  }

  remove({ key, ref }: Presence): void {
    const all = this.#byKey.get(key);
    if (all?.delete(ref) !== true) return;
    this.#size--;
    if (all.size === 0) this.#byKey.delete(key);
    this.#changed.add(key);
  }

  /** The state that a peer shows now. */
  find(key: string, peer: string): Presence | null {
    const all = [...(this.#byKey.get(key)?.values() ?? [])].filter((each) => each.peer === peer);
    return all.find(({ ref }) => !all.some(({ over }) => over === ref)) ?? null;
  }

  /** What was told, as the payload of `presence_state`; the same object until the next diff. */
  list(): PresenceList {
    this.#list ??= listOf([...this.#told].map(([key, metas]) => [key, [...metas.values()]]));
    return this.#list;
  }

  /** What is to be told now; null: nothing. */
  takeDiff(): PresenceDiff | null {
    const joins: Row[] = [];
    const leaves: Row[] = [];
    for (const key of this.#changed) {
      const { joined, left } = this.#tell(key);
      if (joined.length > 0) joins.push([key, joined]);
      if (left.length > 0) leaves.push([key, left]);
    }
    this.#changed.clear();
    if (joins.length === 0 && leaves.length === 0) return null;
    this.#list = null;
    return { joins: listOf(joins), leaves: listOf(leaves) };
  }

  #tell(key: string): { joined: PresenceMeta[]; left: PresenceMeta[] } {
    const before = this.#told.get(key) ?? new Map<string, PresenceMeta>();
    const after = new Map(
      this.#visible(key).map((presence) => [
        presence.ref,
        before.get(presence.ref) ?? metaOf(presence),
      ]),
    );
    const left = [...before.values()].filter(({ phx_ref: ref }) => !after.has(ref));
    const joined = [...after.values()].filter(({ phx_ref: ref }) => !before.has(ref));
    if (after.size === 0) this.#told.delete(key);
    else this.#told.set(key, after);
    return { joined: joined.map((meta) => replacing(meta, left)), left };
  }

  /** A state that another one says it replaces is not shown, though its own node has not heard of that yet. */
  #visible(key: string): readonly Presence[] {
    const all = [...(this.#byKey.get(key)?.values() ?? [])];
    const replaced = new Set(all.map(({ over, peer }) => `${over ?? ''}\n${peer}`));
    return all.filter(({ ref, peer }) => !replaced.has(`${ref}\n${peer}`));
  }
}

type Row = readonly [string, readonly PresenceMeta[]];

function listOf(rows: readonly Row[]): PresenceList {
  return Object.fromEntries(rows.map(([key, metas]) => [key, { metas }]));
}

function metaOf({ ref, deviceId, peer, onlineAt, state }: Presence): PresenceMeta {
  return { phx_ref: ref, device_id: deviceId, peer, online_at: onlineAt, state };
}

function replacing(meta: PresenceMeta, left: readonly PresenceMeta[]): PresenceMeta {
  const former = left.find(({ peer }) => peer === meta.peer);
  return former === undefined ? meta : { ...meta, phx_ref_prev: former.phx_ref };
}
