import { HoldfastError, readRefusal, RejectedError } from '@holdfast/protocol';
import { deferred } from '@holdfast/engine/registry';
import type { Room } from './room.ts';
import type { News } from './uplink.ts';

/** The channel of a store: where it is, and who hears what is said on it. */
export type Channel = {
  readonly room: Room;
  readonly topic: string;
  readonly listeners: Set<(news: News) => void>;
};

let count = 0;

/** Asks the server something that is no write: it is answered in the present generation of the channel, or not at all. */
export function ask(channel: Channel, event: string, payload: object): Promise<unknown> {
  const { room, topic, listeners } = channel;
  const { promise, resolve, reject } = deferred<unknown>();
  // No op id of ours has two parts.
  const id = `ask:${(count += 1)}`;
  const hear = (news: News): void => {
    if (news.type === 'lost') reject(new HoldfastError('unavailable'));
    else if (news.type !== 'reply' || news.id !== id) return;
    else if (news.status === 'ok') resolve(news.response);
    else reject(RejectedError.from(readRefusal(news.response)));
    listeners.delete(hear);
  };
  listeners.add(hear);
  room.uplink.push(topic, { id, event, payload });
  return promise;
}
