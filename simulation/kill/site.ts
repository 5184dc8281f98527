import { type Client, createClient, type Link, type Store, webSocketLink } from '@holdfast/client';
import { type Codec, isObject, jsonCodec } from '@holdfast/protocol';
import type { Span } from '../validators/history.ts';
import { storeName, token } from '../place.ts';

/** A client with its one store, the cursors at which it came back, and what a snapshot took it over. */
export type Site = {
  readonly client: Client;
  readonly store: Store;
  readonly resumes: number[];
  readonly resyncs: Span[];
};

/** Opens a client of the server on a port. Whatever goes wrong inside it, and is nobody's refusal, ends up in `errors`. */
export function openSite(name: string, port: number, errors: unknown[]): Site {
  const client = createClient({
    url: `ws://127.0.0.1:${port}`,
    token,
    deviceId: name,
    link: watchedLink(webSocketLink(), (seq) => {
      const before = store.status.get().seq;
      // Also from 0: one that was there while the store was empty, and lost its connection before the first commit came.
      if (seq > before) resyncs.push([before, seq]);
    }),
    onError: (error) => errors.push(error),
  });
  const store = client.store(storeName);
  const resumes: number[] = [];
  const resyncs: Span[] = [];
  let wasConnected = true;
  client.status.subscribe(() => {
    const isConnected = client.status.get().connection === 'connected';
    if (isConnected && !wasConnected) resumes.push(store.status.get().seq);
    wasConnected = isConnected;
  });
  return { client, store, resumes, resyncs };
}

/** A link that tells the seq of each snapshot that has come whole. */
export function watchedLink(
  link: Link,
  snapshot: (seq: number) => void,
  codec: Codec = jsonCodec,
): Link {
  return {
    open: (url, events) =>
      link.open(url, {
        opened: () => events.opened(),
        closed: (code) => events.closed(code),
        received: (data) => {
          if (typeof data !== 'string' || data.includes('"snapshot_end"')) {
            const seq = seqIn(codec.decode(data));
            if (seq > 0) snapshot(seq);
          }
          events.received(data);
        },
      }),
  };
}

function seqIn(frame: unknown): number {
  const [, , , event, payload]: unknown[] = Array.isArray(frame) ? frame : [];
  return event === 'snapshot_end' && isObject(payload) ? Number(payload['seq']) : 0;
}
