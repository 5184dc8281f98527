import type { Request } from '@holdfast/protocol';
import type { Hold } from './hold.ts';
import type { Receipt } from './receipt.ts';
import type { Room } from './room.ts';

/** Goes around each write of a handle; calls `write` once. */
export type Around = (request: Request, write: () => Receipt) => Receipt;

/** By handle: how modules that an application imports apart take part in its writes. */
export const arounds: WeakMap<object, Around> = /* @__PURE__ */ new WeakMap();

/** By handle: what it is of, for modules that look at it more closely. */
export const holds: WeakMap<object, Hold> = /* @__PURE__ */ new WeakMap();

/** By client: its connection, for modules that speak on topics of their own. */
export const rooms: WeakMap<object, Room> = /* @__PURE__ */ new WeakMap();

/** What a handle is of; throws for what is none of this package. */
export function holdOf(store: object): Hold {
  const hold = holds.get(store);
  if (hold !== undefined) return hold;
  throw new TypeError('No store of this copy of @holdfast/client.');
}

/** The connection of a client, or of the client that a store is of; throws where it is of neither. */
export function roomOf(of: object): Room {
  const room = rooms.get(of) ?? holds.get(of)?.slot.room;
  if (room !== undefined) return room;
  throw new TypeError('No client, nor store, of this copy of @holdfast/client.');
}
