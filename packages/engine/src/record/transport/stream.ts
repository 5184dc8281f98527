import { HoldfastError } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { guarded } from '../beat.ts';
import { atOnce, Hub } from './hub.ts';
import type { SyncTransport, TransportOptions } from './port.ts';

/** A stream of one record's envelopes, as an application has it. */
export type EnvelopeStream = {
  /** Called once: from then on it tells. */
  listen(tell: (envelope: Envelope) => void): void;
  close?(): void;
  /** Takes who is to hear of a failure. */
  onError?(hear: (error: unknown) => void): void;
  onOpen?(hear: () => void): void;
  onClose?(hear: () => void): void;
};

/** A transport over streams that an application opens, one for each key that somebody wants (records.md §7); it only reads. */
export function streamTransport(
  options: TransportOptions & { readonly open: (key: string) => EnvelopeStream },
): SyncTransport {
  const hub = new Hub(options);
  const streams = new Map<string, EnvelopeStream>();
  const end = (key: string): void => {
    const stream = streams.get(key);
    streams.delete(key);
    guarded(
      () => stream?.close?.(),
      (error) => hub.report('stream', error, key),
    );
  };
  const begin = (key: string): void => {
    const stream = options.open(key);
    streams.set(key, stream);
    const isLive = (): boolean => streams.get(key) === stream;
    // An `EventSource` tells of no close: that it is open again says as much.
    let isBack = false;
    stream.onError?.((error) => {
      isBack = true;
      if (isLive()) hub.report('stream', error, key);
    });
    stream.onClose?.(() => {
      isBack = true;
    });
    stream.onOpen?.(() => {
      if (isLive() && isBack) hub.reconnected(key);
      isBack = true;
    });
    stream.listen((envelope) => {
      if (isLive()) hub.deliver(key, envelope);
    });
  };
  return {
    status: hub.status,
    publish: (key) => {
      hub.check(key);
      throw new HoldfastError('read_only', { key });
    },
    subscribe: (key, handler) => {
      hub.check(key);
      const isFirst = !hub.has(key);
      const subscribed = hub.subscribe(key, handler, { ready: atOnce(), last: () => end(key) });
      try {
        if (isFirst) begin(key);
      } catch (error) {
        // Who gets an error has no subscription.
        subscribed();
        throw error;
      }
      return subscribed;
    },
    onReconnect: (fn) => hub.onReconnect(fn),
    keyCount: () => hub.keyCount,
    stats: () => ({ ...hub.tally }),
    flush: atOnce,
    close: () => {
      for (const key of hub.keys()) end(key);
      hub.close();
      return atOnce();
    },
  };
}
