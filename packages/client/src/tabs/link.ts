import type { Leader } from '@holdfast/engine/election';
import type { ClientEnv } from '../env.ts';
import type { Link, LinkConnection, LinkEvents } from '../link/port.ts';
import { Line, type LineMessage } from './line.ts';

/** Where connections of a tab lead: to the server, to the tab that leads, or nowhere for now. */
export type Route =
  | { readonly to: 'nobody' }
  | { readonly to: 'server' }
  | { readonly to: 'tab'; readonly leader: Leader };

/** What a tab's link is made of. */
export type TabLinkPorts = {
  readonly id: string;
  /** Carries connections to the server. */
  readonly link: Link;
  readonly env: Pick<ClientEnv, 'setTimeout' | 'clearTimeout'>;
  readonly post: (to: string, message: LineMessage) => void;
  readonly report: (error: unknown) => void;
};

/** The leader cannot serve what is wanted: the tab takes a connection of its own. */
export const cannotServe = 4100;
/** To be opened again at once, elsewhere: as when grants have changed (stores.md §7.1). */
export const elsewhere = 4002;
const lost = 1006;
const beatMs = 500;
/** Beats without a word of the leader, by which it is half dead at best (registry.md §3.6). */
const deafBeatsMax = 6;
/** To find out who leads, or that nobody does, takes less. */
const patienceMs = 5000;

/**
 * A tab's link: leads to the server where the tab is the leader, else to the leader. When that changes, connections end
 * and are opened again. It keeps the law of links.
 */
export class TabLink implements Link {
  readonly #ports: TabLinkPorts;
  readonly #connections = new Map<string, TabConnection>();
  #route: Route = { to: 'nobody' };
  #isAlone = false;
  #identity: string | null = null;
  #count = 0;

  constructor(ports: TabLinkPorts) {
    this.#ports = ports;
  }

  open(url: string, events: LinkEvents): LinkConnection {
    this.#count += 1;
    this.#identity = identityOf(url);
    const line = `${this.#ports.id}/${this.#count}`;
    const connection = new TabConnection({ ...this.#ports, line, url }, events, {
      ended: (code) => {
        this.#connections.delete(line);
        if (code === cannotServe) this.#isAlone = true;
      },
    });
    this.#connections.set(line, connection);
    queueMicrotask(() => connection.route(this.#present()));
    if (this.#route.to === 'nobody') this.#ports.env.setTimeout(() => this.#despair(), patienceMs);
    return connection;
  }

  route(route: Route): void {
    this.#route = route;
    for (const connection of this.#connections.values()) connection.route(this.#present());
  }

  /** The leader speaks about a line. */
  hear(from: string, message: LineMessage): void {
    this.#connections.get(message.line)?.hear(from, message);
  }

  /** As what this tab is known to the server: tabs that are known as another have connections of their own. */
  get identity(): string | null {
    return this.#identity;
  }

  /** Nobody leads, nor can we: better a connection of our own than none, until somebody does. */
  #despair(): void {
    if (this.#route.to !== 'nobody' || this.#connections.size === 0) return;
    for (const connection of this.#connections.values()) connection.route({ to: 'server' });
  }

  #present(): Route {
    return this.#isAlone ? { to: 'server' } : this.#route;
  }
}

type Way =
  | { readonly is: 'waiting' }
  | { readonly is: 'server'; readonly inner: LinkConnection }
  | { readonly is: 'asking' | 'tab'; readonly leader: Leader; readonly line: Line }
  | { readonly is: 'over' };

/** One connection, wherever it leads. */
class TabConnection implements LinkConnection {
  readonly #ports: TabLinkPorts & { readonly line: string; readonly url: string };
  readonly #events: LinkEvents;
  readonly #ended: (code: number) => void;
  #way: Way = { is: 'waiting' };
  #timer: unknown = null;
  /** Since the leader has spoken last. */
  #beats = 0;
  #isTold = false;

  constructor(
    ports: TabLinkPorts & { readonly line: string; readonly url: string },
    events: LinkEvents,
    owner: { ended(code: number): void },
  ) {
    this.#ports = ports;
    this.#events = events;
    this.#ended = (code) => owner.ended(code);
  }

  send(data: string | Uint8Array): void {
    const way = this.#way;
    if (way.is === 'server') way.inner.send(data);
    else if (way.is === 'tab') way.line.send(data);
  }

  close(code: number = 1000): void {
    const way = this.#way;
    if (way.is === 'over') return;
    if (way.is === 'server') {
      way.inner.close(code);
      return;
    }
    this.#leave();
    this.#way = { is: 'over' };
    queueMicrotask(() => this.#over(code));
  }

  route(route: Route): void {
    const way = this.#way;
    if (way.is === 'over' || isTheWay(way, route)) return;
    if (way.is === 'server' || way.is === 'tab') {
      this.#end(elsewhere);
      return;
    }
    this.#way = { is: 'waiting' };
    this.#beatLater();
    if (route.to === 'server') this.#openToServer();
    else if (route.to === 'tab' && route.leader.isUp) this.#ask(route.leader);
  }

  hear(from: string, message: LineMessage): void {
    const way = this.#way;
    if ((way.is !== 'asking' && way.is !== 'tab') || way.leader.id !== from) return;
    this.#beats = 0;
    if (message.is === 'closed') {
      this.#end(message.code);
    } else if (message.is !== 'opened') {
      // What comes before word of the opening shows that this word was lost.
      if (way.is === 'tab') way.line.hear(message);
    } else if (way.is === 'asking') {
      this.#way = { ...way, is: 'tab' };
      this.#events.opened();
    }
  }

  #openToServer(): void {
    const { link, url, report } = this.#ports;
    try {
      const inner = link.open(url, {
        opened: () => this.#events.opened(),
        received: (data) => this.#events.received(data),
        closed: (code) => this.#over(code),
      });
      this.#way = { is: 'server', inner };
    } catch (error) {
      report(error);
      this.#over(lost);
    }
  }

  #ask(leader: Leader): void {
    const line = new Line(this.#ports.line, {
      post: (message) => this.#ports.post(leader.id, message),
      received: (data) => this.#events.received(data),
      broken: () => this.#end(elsewhere),
    });
    this.#way = { is: 'asking', leader, line };
    this.#beats = 0;
    this.#beat();
  }

  #beat(): void {
    const way = this.#way;
    const { line, post, url } = this.#ports;
    this.#beats += 1;
    if (this.#beats > deafBeatsMax) {
      // Who leads, and serves nobody, is gone round; of one that has served us we ask once more.
      this.#end(way.is === 'asking' ? cannotServe : elsewhere);
      return;
    }
    if (way.is === 'asking') post(way.leader.id, { line, is: 'open', as: identityOf(url) });
    else if (way.is === 'tab') way.line.beat();
    else return;
    this.#beatLater();
  }

  #beatLater(): void {
    const { env } = this.#ports;
    env.clearTimeout(this.#timer);
    const isDue = this.#way.is === 'asking' || this.#way.is === 'tab';
    this.#timer = isDue ? env.setTimeout(() => this.#beat(), beatMs) : null;
  }

  /** Ends it for a reason that the owner did not give. */
  #end(code: number): void {
    const { is } = this.#way;
    if (is === 'over') return;
    if (is === 'server') {
      const { inner } = this.#way;
      // Its own end would say otherwise.
      this.#way = { is: 'over' };
      inner.close(1000);
    } else {
      this.#leave();
    }
    this.#over(code);
  }

  /** Tells the leader that the line is not used any more. */
  #leave(): void {
    const way = this.#way;
    if (way.is !== 'asking' && way.is !== 'tab') return;
    this.#ports.post(way.leader.id, { line: this.#ports.line, is: 'closed', code: 1000 });
  }

  #over(code: number): void {
    if (this.#timer !== null) this.#ports.env.clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isTold) return;
    this.#isTold = true;
    this.#way = { is: 'over' };
    this.#ended(code);
    this.#events.closed(code === cannotServe ? elsewhere : code);
  }
}

/** The installation and the wire format that a connection is of; a token changes, and where views go on. */
function identityOf(url: string): string {
  const { origin, pathname, searchParams } = new URL(url);
  for (const name of ['token', 'node']) searchParams.delete(name);
  return `${origin}${pathname}?${searchParams.toString()}`;
}

/** Whether a connection leads already where it should. */
function isTheWay(way: Way, route: Route): boolean {
  if (route.to === 'server') return way.is === 'server';
  if (way.is !== 'asking' && way.is !== 'tab') return way.is === 'waiting' && route.to === 'nobody';
  if (route.to !== 'tab' || !route.leader.isUp) return false;
  return way.leader.id === route.leader.id && way.leader.epoch === route.leader.epoch;
}
