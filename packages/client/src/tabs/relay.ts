import { type Frame, frameTuple } from '@holdfast/protocol';
import type { StoreHub } from './hub.ts';
import { RelayLine, type RelayPorts } from './relay-line.ts';
import { StoreServing } from './serving.ts';
import type { LineMessage } from './line-message.ts';
import { cannotServe, elsewhere } from './link.ts';
import type { Message } from './snapshot.ts';

/** The leader's side: the lines of the other tabs, each of them served as a server would serve a socket. */
export class Relay {
  readonly #ports: RelayPorts;
  readonly #lines = new Map<string, RelayLine>();
  readonly #servings = new Map<StoreHub, StoreServing>();
  /** Each message to all is encoded once. */
  readonly #encoded = new WeakMap<object, string | Uint8Array>();

  constructor(ports: RelayPorts) {
    this.#ports = ports;
  }

  /** Takes what another tab says about a line; new ones are taken of tabs that are known as we are, if as anything. */
  hear(from: string, message: LineMessage, identity: string | null): void {
    const { line: id } = message;
    const line = this.#lines.get(id);
    if (line !== undefined) {
      line.hear(message);
    } else if (message.is === 'open') {
      if (message.as === identity) this.#open(id, from);
      else if (identity !== null) this.#deny(id, { to: from, code: cannotServe });
    } else if (message.is !== 'closed') {
      // It does not know yet that the line has ended.
      this.#deny(id, { to: from, code: elsewhere });
    }
  }

  /** Ends the lines of a tab that is gone. */
  gone(session: string): void {
    for (const line of this.#lines.values()) if (line.session === session) line.gone();
  }

  /** Ends all lines: whoever had one looks for another way. */
  close(): void {
    for (const line of this.#lines.values()) line.close(elsewhere);
  }

  /** The same, as another tab leads: what was done for others is done no more. */
  resign(): void {
    this.close();
    for (const serving of this.#servings.values()) serving.resign();
  }

  /** The same for good. */
  end(): void {
    this.close();
    for (const serving of this.#servings.values()) serving.end();
  }

  #deny(line: string, { to, code }: { readonly to: string; readonly code: number }): void {
    this.#ports.post(to, { line, is: 'closed', code });
  }

  #open(id: string, session: string): void {
    const line = new RelayLine({ id, session }, this.#ports, {
      servingOf: (hub) => this.#servingOf(hub),
      encode: (topic, message) => this.#encode(topic, message),
      ended: () => this.#lines.delete(id),
    });
    this.#lines.set(id, line);
    line.welcome();
  }

  #servingOf(hub: StoreHub): StoreServing {
    const serving = this.#servings.get(hub) ?? new StoreServing(hub, this.#ports);
    this.#servings.set(hub, serving);
    hub.serving = serving;
    return serving;
  }

  /** A message is of one topic. */
  #encode(topic: string, message: Message): string | Uint8Array {
    const known = this.#encoded.get(message);
    if (known !== undefined) return known;
    const { event, payload } = message;
    const frame: Frame = { joinRef: null, ref: null, topic, event, payload };
    const data = this.#ports.codec.encode(frameTuple(frame));
    this.#encoded.set(message, data);
    return data;
  }
}
