import type { BusConnection } from './nats.ts';

/** As much of a connection of the official client (`@nats-io/nats-core`) as a transport needs. */
export interface NatsConnectionLike {
  publish(subject: string, data: Uint8Array): void;
  subscribe(
    subject: string,
    options: {
      callback(error: Error | null, message: { readonly data: Uint8Array }): void;
    },
  ): { unsubscribe(): void };
  flush(): Promise<void>;
  status(): AsyncIterable<{ readonly type: string }>;
}

/** A connection of the official NATS client, as `NatsTransport` takes it; whoever made it closes it. */
export function natsBus(connection: NatsConnectionLike): BusConnection {
  const reconnected = new Set<() => void>();
  let isWatching = false;
  const watch = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') for (const run of Array.from(reconnected)) run();
    }
  };
  return {
    publish: (subject, data) => connection.publish(subject, data),
    subscribe: async (subject, hear, lost) => {
      let isThere = false;
      let failure: Error | null = null;
      const subscription = connection.subscribe(subject, {
        callback: (error, { data }) => {
          if (error === null) hear(data);
          else if (isThere) lost?.(error);
          else failure ??= error;
        },
      });
      try {
        // It is one when the server has it, and has not said that it may not be.
        await connection.flush();
        if (failure !== null) throw failure;
      } catch (error) {
        subscription.unsubscribe();
        throw error;
      }
      isThere = true;
      return () => subscription.unsubscribe();
    },
    flush: () => connection.flush(),
    onReconnect: (run) => {
      reconnected.add(run);
      if (!isWatching) {
        isWatching = true;
        // Ends with the connection, whose failure is told by what it is asked for.
        watch().catch(() => undefined);
      }
      return () => reconnected.delete(run);
    },
  };
}
