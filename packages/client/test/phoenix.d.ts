declare module 'phoenix' {
  type Message = {
    topic: string;
    event: string;
    payload: unknown;
    ref: string | null;
    join_ref: string | null;
  };

  /** As much of the package's socket as the tests use. */
  export class Socket {
    constructor(url: string, options?: { params?: object; reconnectAfterMs?: () => number });
    connect(): void;
    disconnect(): void;
    isConnected(): boolean;
    push(message: Message): void;
    onOpen(callback: () => void): string;
    onClose(callback: (event: { code?: number }) => void): string;
    onMessage(callback: (message: Message) => void): string;
    off(refs: string[]): void;
    channel(
      topic: string,
      params?: object,
    ): {
      readonly state: string;
      join(): { receive(status: string, callback: (response: unknown) => void): unknown };
    };
  }
}
