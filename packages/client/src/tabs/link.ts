import type { Leader } from '@holdfast/engine/election';
import type { ClientEnv } from '../env.ts';
import type { Link, LinkConnection, LinkEvents } from '../link/port.ts';
import type { LineMessage } from './line-message.ts';

/** Where connections of a tab lead: to the server, to the tab that leads, or nowhere for now. */
export type Route =
  | { readonly to: 'nobody' }
  | { readonly to: 'server' }
  | { readonly to: 'tab'; readonly leader: Leader };

/** What a tab's link is made of. */
export type TabLinkPorts = {
  /** Carries connections to the server. */
  readonly link: Link;
  readonly env: Pick<ClientEnv, 'setTimeout' | 'clearTimeout'>;
  readonly report: (error: unknown) => void;
  /** Has what is not to be sent over another connection let go of before there is one; null: there is nothing to look at. */
  readonly review: () => Promise<unknown> | null;
};

/** How connections lead to other tabs. */
export interface Lines {
  to(leader: string): Link;
  /** A tab speaks about a line. */
  hear(from: string, message: LineMessage): void;
}

/** The leader cannot serve what is wanted: the tab takes a connection of its own. */
export const cannotServe = 4100;
/** To be opened again at once, elsewhere: as when grants have changed (stores.md §7.1). */
export const elsewhere = 4002;
const lost = 1006;
/** To find out who leads, or that nobody does, takes less. */
const patienceMs = 5000;

/**
 * A tab's link: leads to the server where the tab is the leader, else to the leader. When that changes, connections end
 * and are opened again. It keeps the law of links.
 */
export class TabLink implements Link {
  readonly #ports: TabLinkPorts;
  readonly #connections = new Set<TabConnection>();
  /** Null: no other tab can be spoken to yet. */
  #lines: Lines | null = null;
  #route: Route = { to: 'nobody' };
  #isAlone = false;
  #identity: string | null = null;

  constructor(ports: TabLinkPorts) {
    this.#ports = ports;
  }

  open(url: string, events: LinkEvents): LinkConnection {
    const { env } = this.#ports;
    this.#identity = identityOf(url);
    let patience: unknown = null;
    const connection = new TabConnection(
      url,
      {
        ...events,
        closed: (code) => {
          this.#connections.delete(connection);
          env.clearTimeout(patience);
          if (code === cannotServe) this.#isAlone = true;
          events.closed(code === cannotServe ? elsewhere : code);
        },
      },
      this.#ports,
    );
    this.#connections.add(connection);
    queueMicrotask(() => this.#lead(connection, this.#present()));
    if (this.#route.to === 'nobody') {
      patience = env.setTimeout(() => this.#despair(), patienceMs);
    }
    return connection;
  }

  route(route: Route): void {
    this.#route = route;
    for (const connection of this.#connections) this.#lead(connection, this.#present());
  }

  /** Other tabs can be spoken to from now on; null: they cannot be. */
  use(lines: Lines | null): void {
    this.#lines = lines;
    this.#isAlone ||= lines === null;
    this.route(this.#route);
  }

  /** The leader speaks about a line. */
  hear(from: string, message: LineMessage): void {
    this.#lines?.hear(from, message);
  }

  /** As what this tab is known to the server: tabs that are known as another have connections of their own. */
  get identity(): string | null {
    return this.#identity;
  }

  /** Nobody leads, nor can we: better a connection of our own than none, until somebody does. */
  #despair(): void {
    if (this.#route.to !== 'nobody') return;
    for (const connection of this.#connections) this.#lead(connection, { to: 'server' });
  }

  #lead(connection: TabConnection, route: Route): void {
    if (route.to === 'server') {
      connection.lead('', this.#ports.link);
    } else if (route.to === 'tab' && route.leader.isUp && this.#lines !== null) {
      const { id, epoch } = route.leader;
      connection.lead(`${epoch} ${id}`, this.#lines.to(id));
    } else {
      connection.lead(null, null);
    }
  }

  #present(): Route {
    return this.#isAlone ? { to: 'server' } : this.#route;
  }
}

/** One connection, which goes one way at most: when it should go another, it ends. */
class TabConnection implements LinkConnection {
  readonly #url: string;
  readonly #events: LinkEvents;
  readonly #ports: Pick<TabLinkPorts, 'report' | 'review'>;
  /** Where it leads; null: nowhere for now. */
  #way: string | null = null;
  #inner: LinkConnection | null = null;
  /** Of the way that it is about to go; one of a way that was left meanwhile, though it be taken once more, says nothing. */
  #review: Promise<unknown> | null = null;
  #isOver = false;

  constructor(url: string, events: LinkEvents, ports: Pick<TabLinkPorts, 'report' | 'review'>) {
    this.#url = url;
    this.#events = events;
    this.#ports = ports;
  }

  send(data: string | Uint8Array): void {
    this.#inner?.send(data);
  }

  close(code: number = 1000): void {
    if (this.#inner !== null) {
      this.#inner.close(code);
    } else if (!this.#isOver) {
      this.#isOver = true;
      queueMicrotask(() => this.#events.closed(code));
    }
  }

  /** Leads it a way, over a link. */
  lead(way: string | null, link: Link | null): void {
    if (this.#isOver || way === this.#way) return;
    this.#way = way;
    if (this.#inner !== null) {
      const inner = this.#inner;
      // Its own end would say otherwise.
      this.#over(elsewhere);
      inner.close(1000);
    } else {
      const review = link && this.#ports.review();
      this.#review = review;
      if (review !== null) void review.then(() => this.#review === review && this.#begin(link));
      else this.#begin(link);
    }
  }

  #begin(link: Link | null): void {
    if (this.#isOver || link === null) return;
    try {
      this.#inner = link.open(this.#url, {
        opened: () => this.#opened(),
        received: (data) => this.#events.received(data),
        closed: (code) => this.#over(code),
      });
    } catch (error) {
      this.#ports.report(error);
      this.#over(lost);
    }
  }

  /** A tab may have been frozen since the look before: nothing is sent that others have decided meanwhile. */
  #opened(): void {
    const review = this.#ports.review();
    if (review === null) this.#events.opened();
    else void review.then(() => this.#isOver || this.#events.opened());
  }

  #over(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inner = null;
    this.#events.closed(code);
  }
}

/** The installation and the wire format that a connection is of; a token changes, and where views go on. */
export function identityOf(url: string): string {
  const { origin, pathname, searchParams } = new URL(url);
  for (const name of ['token', 'node']) searchParams.delete(name);
  return `${origin}${pathname}?${searchParams.toString()}`;
}
