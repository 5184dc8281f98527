import type { Client } from './client.ts';
import type { Room } from './room.ts';

/** By a client's room: another client, which shows what a server has drawn, where the one has hydrated from that. */
export const twins: WeakMap<Room, () => Client> = /* @__PURE__ */ new WeakMap();

/** How clients hydrate, once an application has imported that. */
export const hydrators: { hydrate?: (client: Client, state: string | object) => void } = {};
