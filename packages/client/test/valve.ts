import { type Link, type LinkConnection, type LinkEvents, webSocketLink } from '@holdfast/client';

type Data = string | Uint8Array;

/** A link of real WebSockets whose two directions can be stopped, and whose messages can be seen, doubled and forged. */
export class Valve implements Link {
  /** Every message sent, and received, as far as it got through. */
  readonly sent: Data[] = [];
  readonly received: Data[] = [];
  /** How often each message is sent. */
  copies = 1;
  /** How often a connection was asked for, and how often there was one. */
  dialed = 0;
  opened = 0;
  /** Which messages never reach the client. */
  loses: (data: Data) => boolean = () => false;
  readonly #link = webSocketLink();
  #up: { readonly connection: LinkConnection; readonly events: LinkEvents } | null = null;
  #heldOut: Data[] | null = null;
  #heldIn: Data[] | null = null;
  /** Who dials while nothing can be reached. */
  #dialing: (() => void)[] | null = null;

  open(url: string, events: LinkEvents): LinkConnection {
    this.dialed += 1;
    if (this.#dialing === null) return this.#dial(url, events);
    let connection: LinkConnection | null = null;
    let isClosed = false;
    this.#dialing.push(() => {
      if (!isClosed) connection = this.#dial(url, events);
    });
    return {
      send: (data) => connection?.send(data),
      close: (code) => {
        isClosed = true;
        connection?.close(code);
      },
    };
  }

  #dial(url: string, events: LinkEvents): LinkConnection {
    const connection = this.#link.open(url, {
      opened: () => {
        this.opened += 1;
        events.opened();
      },
      received: (data) => this.#receive(data, events),
      closed: (code) => events.closed(code),
    });
    this.#up = { connection, events };
    this.#heldIn = null;
    return {
      send: (data) => this.#send(data, connection),
      close: (code) => connection.close(code),
    };
  }

  /** Nothing reaches the server until {@link letOut}. */
  holdOut(): void {
    this.#heldOut ??= [];
  }

  letOut(): void {
    const held = this.#heldOut ?? [];
    this.#heldOut = null;
    const connection = this.#up?.connection;
    for (const data of held) if (connection !== undefined) this.#send(data, connection);
  }

  /** Nothing reaches the client until {@link letIn}. */
  holdIn(): void {
    this.#heldIn ??= [];
  }

  letIn(): void {
    const held = this.#heldIn ?? [];
    this.#heldIn = null;
    const events = this.#up?.events;
    for (const data of held) if (events !== undefined) this.#receive(data, events);
  }

  /** The socket breaks; what was held is lost. */
  cut(): void {
    const up = this.#up;
    this.#up = null;
    this.#heldIn = [];
    this.#heldOut = null;
    up?.connection.close(4000);
  }

  /** The socket breaks, and however long it takes there is no other one until {@link up}. */
  down(): void {
    this.#dialing ??= [];
    this.cut();
  }

  up(): void {
    const dialing = this.#dialing ?? [];
    this.#dialing = null;
    for (const dial of dialing) dial();
  }

  /** The client receives a message that the server did not send. */
  forge(data: string): void {
    this.#up?.events.received(data);
  }

  get bytesReceived(): number {
    return this.received.reduce((sum, data) => sum + data.length, 0);
  }

  #send(data: Data, connection: LinkConnection): void {
    if (this.#heldOut !== null) {
      this.#heldOut.push(data);
      return;
    }
    this.sent.push(data);
    const isWrite = typeof data === 'string' && data.includes('"client_op_id"');
    for (let copy = 0; copy < (isWrite ? this.copies : 1); copy++) connection.send(data);
  }

  #receive(data: Data, events: LinkEvents): void {
    if (this.loses(data)) return;
    if (this.#heldIn !== null) {
      this.#heldIn.push(data);
      return;
    }
    this.received.push(data);
    events.received(data);
  }
}
