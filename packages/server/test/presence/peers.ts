import type { Payload, Peer, Reply, WireFrame } from '../conversation/peer.ts';

/** The topic that the tests meet on. */
export const room = 'presence:demo/main:rooms/1';

type Metas = { readonly [key: string]: { readonly metas: readonly Payload[] } };

/** Joins the room; the reply, and the list that follows it. */
export async function attend(
  peer: Peer,
  payload: object = {},
): Promise<{ readonly reply: Reply; readonly list: Metas }> {
  const reply = await peer.join(room, payload);
  return { reply, list: (await heard(peer, 'presence_state')) as Metas };
}

/** The payload of the next frame of an event. */
export async function heard(peer: Peer, event: string): Promise<Payload> {
  return (await peer.until((frame) => frame[3] === event))[4];
}

/** What all presence frames heard so far come to: `key/peer` and state, sorted. */
export function present(frames: readonly WireFrame[]): string[] {
  const states = new Map<unknown, string>();
  const add = (metas: Metas): void => {
    for (const [key, presence] of Object.entries(metas)) {
      for (const { phx_ref: ref, peer, state } of presence.metas) {
        states.set(ref, `${key}/${String(peer)} ${JSON.stringify(state)}`);
      }
    }
  };
  for (const [, , , event, payload] of frames) {
    if (event === 'presence_state') {
      states.clear();
      add(payload as Metas);
    }
    if (event !== 'presence_diff') continue;
    add(payload['joins'] as Metas);
    for (const { metas } of Object.values(payload['leaves'] as Metas)) {
      for (const { phx_ref: ref } of metas) states.delete(ref);
    }
  }
  return [...states.values()].toSorted();
}
