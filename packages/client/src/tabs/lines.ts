import type { Link, LinkConnection, LinkEvents } from '../link/port.ts';
import { Line } from './line.ts';
import type { LineMessage } from './line-message.ts';
import { cannotServe, elsewhere, identityOf, type Lines, type TabLinkPorts } from './link.ts';

const beatMs = 500;
/** Beats without a word of the leader, by which it is half dead at best (registry.md §3.6). */
const deafBeatsMax = 6;

type LinePorts = Pick<TabLinkPorts, 'env'> & {
  /** Names the tab. */
  readonly id: string;
  readonly post: (to: string, message: LineMessage) => void;
};

/** The lines of a tab to those that lead, one after the other; each keeps the law of links. */
export class TabLines implements Lines {
  readonly #ports: LinePorts;
  readonly #lines = new Map<string, LineConnection>();
  #count = 0;

  constructor(ports: LinePorts) {
    this.#ports = ports;
  }

  to(leader: string): Link {
    return {
      open: (url, events) => {
        this.#count += 1;
        const line = `${this.#ports.id}/${this.#count}`;
        const to = { line, leader, as: identityOf(url) };
        const connection = new LineConnection(this.#ports, to, {
          ...events,
          closed: (code) => {
            this.#lines.delete(line);
            events.closed(code);
          },
        });
        this.#lines.set(line, connection);
        return connection;
      },
    };
  }

  hear(from: string, message: LineMessage): void {
    const connection = this.#lines.get(message.line);
    if (connection?.leader === from) connection.hear(message);
  }
}

/** The end of a line at the tab that has asked for it. */
class LineConnection implements LinkConnection {
  readonly leader: string;
  readonly #ports: LinePorts;
  readonly #ask: LineMessage;
  readonly #events: LinkEvents;
  readonly #line: Line;
  #is: 'asking' | 'open' | 'over' = 'asking';
  #timer: unknown = null;
  /** Since the leader has spoken last. */
  #beats = 0;

  constructor(
    ports: LinePorts,
    { line, leader, as }: { readonly line: string; readonly leader: string; readonly as: string },
    events: LinkEvents,
  ) {
    this.leader = leader;
    this.#ports = ports;
    this.#ask = { line, is: 'open', as };
    this.#events = events;
    this.#line = new Line(line, {
      post: (message) => ports.post(leader, message),
      received: (data) => events.received(data),
      broken: () => this.#break(elsewhere),
    });
    this.#beat();
  }

  send(data: string | Uint8Array): void {
    if (this.#is === 'open') this.#line.send(data);
  }

  close(code: number = 1000): void {
    if (this.#is === 'over') return;
    this.#leave();
    queueMicrotask(() => this.#events.closed(code));
  }

  hear(message: LineMessage): void {
    if (this.#is === 'over') return;
    this.#beats = 0;
    if (message.is === 'closed') {
      this.#break(message.code);
    } else if (message.is !== 'opened') {
      // What comes before word of the opening shows that this word was lost.
      if (this.#is === 'open') this.#line.hear(message);
    } else if (this.#is === 'asking') {
      this.#is = 'open';
      this.#events.opened();
    }
  }

  #beat(): void {
    const { env, post } = this.#ports;
    this.#beats += 1;
    if (this.#beats > deafBeatsMax) {
      // Who leads, and serves nobody, is gone round; of one that has served us we ask once more.
      this.#break(this.#is === 'asking' ? cannotServe : elsewhere);
      return;
    }
    if (this.#is === 'asking') post(this.leader, this.#ask);
    else this.#line.beat();
    this.#timer = env.setTimeout(() => this.#beat(), beatMs);
  }

  #break(code: number): void {
    this.#leave();
    this.#events.closed(code);
  }

  /** Tells the leader that the line is not used any more. */
  #leave(): void {
    const { env, post } = this.#ports;
    this.#is = 'over';
    env.clearTimeout(this.#timer);
    post(this.leader, { line: this.#ask.line, is: 'closed', code: 1000 });
  }
}
