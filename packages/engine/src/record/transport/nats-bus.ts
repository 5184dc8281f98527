import { isObject } from '@holdfast/protocol';
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
  status(): AsyncIterable<{ readonly type: string; readonly error?: unknown }>;
}

/** A connection of the official NATS client, as `NatsTransport` takes it; whoever made it closes it. */
export function natsBus(connection: NatsConnectionLike): BusConnection {
  const reconnected = new Set<() => void>();
  const refused = new Set<(subject: string, error: unknown) => void>();
  const connected = new Set<(isConnected: boolean) => void>();
  let isWatching = false;
  const watch = async (): Promise<void> => {
    for await (const { type, error } of connection.status()) {
      const isConnected = standing[type];
      if (isConnected !== undefined) for (const hear of Array.from(connected)) hear(isConnected);
      if (type === 'reconnect') for (const run of Array.from(reconnected)) run();
      const subject = type === 'error' ? unpublished(error) : null;
      if (subject !== null) for (const hear of Array.from(refused)) hear(subject, error);
    }
  };
  const watchOnce = (): void => {
    if (isWatching) return;
    isWatching = true;
    // Ends with the connection, whose failure is told by what it is asked for.
    watch().catch(() => undefined);
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
    flush: async () => {
      await connection.flush();
      // What was refused came before the first answer, and has been told by the second.
      await connection.flush();
    },
    onReconnect: (run) => {
      reconnected.add(run);
      watchOnce();
      return () => reconnected.delete(run);
    },
    onConnected: (hear) => {
      connected.add(hear);
      watchOnce();
      return () => connected.delete(hear);
    },
    onRefused: (hear) => {
      refused.add(hear);
      watchOnce();
      return () => refused.delete(hear);
    },
  };
}

/** What is told of a connection, as far as it says whether there is one. */
const standing: { readonly [type: string]: boolean | undefined } = {
  disconnect: false,
  close: false,
  reconnect: true,
};

/** The subject of what the server has not permitted to publish. */
function unpublished(error: unknown): string | null {
  const { operation, subject } = isObject(error) ? error : {};
  return operation === 'publish' && typeof subject === 'string' ? subject : null;
}
