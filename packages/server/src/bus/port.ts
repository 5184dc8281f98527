/**
 * Carries hints between the nodes of a cluster, and between parts of one (design.md, Bus).
 *
 * - **At most once, in any order.** A message may be lost, late, or out of turn; never altered, never twice. Users must
 *   not care: what a message says can also be read from storage.
 * - **Never inside `publish`.** A handler runs in a later turn, so that a publisher is not re-entered.
 * - **Isolation.** A handler that throws harms neither the other handlers nor the bus; its error is reported.
 */
export interface Bus {
  /**
   * Sends to the subscribers of the topic on every node, this one included. It never throws and never waits. The bytes
   * must not be changed afterwards.
   */
  publish(topic: string, bytes: Uint8Array): void;
  /**
   * Calls the handler with what is published on the topic from now on, until the returned function is called; that may be
   * called again. A topic is any text that is not empty and no pattern. However many subscribe here, the node subscribes
   * once.
   */
  subscribe(topic: string, handler: BusHandler): () => void;
  /** Delivers nothing more; later calls do nothing. */
  close(): Promise<void>;
}

/** Takes one message; must not change the bytes. */
export type BusHandler = (bytes: Uint8Array) => void;

/** What every driver can be told. */
export type BusOptions = {
  /** Hears of handlers that throw and, where there is a network, of its trouble; a process warning by default. */
  readonly onError?: (error: unknown) => void;
};
