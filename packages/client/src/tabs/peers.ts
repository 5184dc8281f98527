import { isObject } from '@holdfast/protocol';
import { isLineMessage, type LineMessage } from './line-message.ts';
import type { TabsChannel, TabsPlatform } from './platform.ts';

/** Takes what another tab says to this one about a line. */
export type HearLine = (from: string, message: LineMessage) => void;

/** The other tabs at a table: what is said to one of them, and which of them live. */
export class Peers {
  readonly #platform: TabsPlatform;
  readonly #table: string;
  readonly #channels = new Map<string, TabsChannel>();
  /** Sessions that were alive when we last looked, or have spoken since. */
  readonly #known = new Set<string>();
  /** Kept when others can see that this tab is alive. */
  readonly isSeen: Promise<void>;
  #seen: () => void = () => undefined;
  #session = '';
  #letGo: (() => void)[] = [];

  constructor(platform: TabsPlatform, table: string) {
    this.#platform = platform;
    this.#table = table;
    this.isSeen = new Promise((resolve) => {
      this.#seen = resolve;
    });
  }

  /** This tab. */
  get session(): string {
    return this.#session;
  }

  /** Whether anybody else is known of. */
  get isAny(): boolean {
    return this.#known.size > 0;
  }

  /** This tab is one of them from now on, and hears what is said to it. */
  begin(session: string, hear: HearLine): void {
    this.#session = session;
    const inbox = this.#platform.channel(this.#inbox(session), (message) => {
      if (!isObject(message)) return;
      const { from, about } = message;
      if (typeof from === 'string' && isLineMessage(about)) hear(from, about);
    });
    const alive = this.#platform.lock(
      this.#lock(session),
      { steal: false },
      // Without locks nobody can be seen, and nobody inherits.
      { held: this.#seen, lost: this.#seen, refused: this.#seen },
    );
    this.#letGo = [alive, () => inbox.close()];
  }

  post(to: string, about: LineMessage): void {
    if (this.#letGo.length === 0) return;
    let channel = this.#channels.get(to);
    if (channel === undefined) {
      channel = this.#platform.channel(this.#inbox(to), null);
      this.#channels.set(to, channel);
    }
    channel.post({ from: this.#session, about });
  }

  /** Somebody has spoken; says whether that is news. */
  notice(session: string): boolean {
    const isNews = !this.#known.has(session);
    this.#known.add(session);
    return isNews;
  }

  /** Tells whether a session is alive: where the platform does not say it, each may be. */
  async living(): Promise<(session: string) => boolean> {
    const alive = await this.#alive();
    return (session) => alive?.has(session) ?? true;
  }

  async #alive(): Promise<ReadonlySet<string> | null> {
    const prefix = this.#lock('');
    const held = await this.#platform.locksHeld().catch(() => null);
    const ours = held && [...held].filter((name) => name.startsWith(prefix));
    return ours && new Set(ours.map((name) => name.slice(prefix.length)));
  }

  /** The sessions that have ended since they were known of. */
  async missing(): Promise<readonly string[]> {
    const alive = await this.#alive();
    if (alive === null) return [];
    const gone = [...this.#known].filter((session) => !alive.has(session));
    for (const session of gone) {
      this.#known.delete(session);
      this.#channels.get(session)?.close();
      this.#channels.delete(session);
    }
    for (const session of alive) if (session !== this.#session) this.#known.add(session);
    return gone;
  }

  close(): void {
    for (const letGo of this.#letGo) letGo();
    this.#letGo = [];
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
    this.#seen();
  }

  #lock(session: string): string {
    return `${this.#table}/tab/${session}`;
  }

  #inbox(session: string): string {
    return `${this.#table}/to/${session}`;
  }
}
