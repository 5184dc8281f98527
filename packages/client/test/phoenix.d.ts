declare module 'phoenix' {
  type Message = {
    topic: string;
    event: string;
    payload: unknown;
    ref: string | null;
    join_ref: string | null;
  };

  type SocketOptions = {
    params?: object;
    vsn?: string;
    transport?: unknown;
    timeout?: number;
    heartbeatIntervalMs?: number;
    reconnectAfterMs?: () => number;
    rejoinAfterMs?: () => number;
    encode?: (message: Message, callback: (data: unknown) => void) => void;
    decode?: (data: unknown, callback: (message: Message) => void) => void;
  };

  /** As much of the package's push as the tests use. */
  export class Push {
    receive(status: string, callback: (response: unknown) => void): this;
  }

  /** As much of the package's channel as the tests use. */
  export class Channel {
    readonly state: string;
    readonly params: () => object;
    constructor(topic: string, params: object | (() => object), socket: Socket);
    join(): Push;
    leave(): Push;
    push(event: string, payload: object): Push;
    on(event: string, callback: (payload: unknown) => void): number;
    onError(callback: (reason: unknown) => void): void;
    onClose(callback: (payload: unknown) => void): void;
    onMessage(event: string, payload: unknown, ref: string | null): unknown;
  }

  /** As much of the package's presence as the tests use. */
  export class Presence {
    readonly state: object;
    constructor(channel: Channel);
    onJoin(callback: (key: string, current: unknown, joined: unknown) => void): void;
    onLeave(callback: (key: string, current: unknown, left: unknown) => void): void;
    onSync(callback: () => void): void;
    list<T>(by: (key: string, presence: { metas: readonly unknown[] }) => T): T[];
  }

  /** As much of the package's socket as the tests use. */
  export class Socket {
    constructor(url: string, options?: SocketOptions);
    connect(): void;
    disconnect(): void;
    isConnected(): boolean;
    push(message: Message): void;
    sendHeartbeat(): void;
    onOpen(callback: () => void): string;
    onError(callback: (error: unknown) => void): string;
    onClose(callback: (event: { code?: number }) => void): string;
    onMessage(callback: (message: Message) => void): string;
    off(refs: string[]): void;
    channel(topic: string, params?: object | (() => object)): Channel;
  }
}
