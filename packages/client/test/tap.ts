import type { Link, LinkConnection, LinkEvents } from '@holdfast/client';

type Frame = readonly [string | null, string | null, string, string, unknown];
type Reply = { readonly status: string; readonly response: unknown };

/** A line on which the frames can be seen, and held. */
export class Tap implements Link {
  readonly seal?: NonNullable<Link['seal']>;
  readonly #link: Link;
  readonly #up: Frame[] = [];
  readonly #down: string[] = [];
  #held: (() => void)[] | null = null;
  #isOver = false;

  constructor(link: Link) {
    this.#link = link;
    if (link.seal !== undefined) this.seal = link.seal.bind(link);
  }

  open(url: string, events: LinkEvents): LinkConnection {
    const connection = this.#link.open(url, {
      opened: () => this.#pass(() => events.opened()),
      received: (data) =>
        this.#pass(() => {
          this.#down.push(String(data));
          events.received(data);
        }),
      closed: (code) => {
        this.#isOver = true;
        events.closed(code);
      },
    });
    return {
      send: (data) => {
        this.#up.push(JSON.parse(String(data)) as Frame);
        this.#pass(() => connection.send(data));
      },
      close: (code) => {
        this.#held = null;
        connection.close(code);
      },
    };
  }

  /** Nothing passes until {@link letGo}. */
  hold(): void {
    this.#held ??= [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const pass of held) if (!this.#isOver) pass();
  }

  /** The payloads of what was sent of an event. */
  sent(event: string): readonly unknown[] {
    return this.#up.filter((frame) => frame[3] === event).map((frame) => frame[4]);
  }

  /** The answers to what was sent of an event. */
  replies(event: string): readonly unknown[] {
    const refs = new Set(this.#up.filter((frame) => frame[3] === event).map((frame) => frame[1]));
    const down = this.#down.map((text) => JSON.parse(text) as Frame);
    return down
      .filter(([, ref, , name]) => name === 'phx_reply' && refs.has(ref))
      .map((frame) => (frame[4] as Reply).response);
  }

  /** All that was received. */
  text(): string {
    return this.#down.join('\n');
  }

  /** Resolves when nothing has come for some turns. */
  async quiet(): Promise<void> {
    for (let seen = -1, calm = 0; calm < 5; calm += 1) {
      if (seen !== this.#down.length) calm = 0;
      seen = this.#down.length;
      // oxlint-disable-next-line no-await-in-loop -- one turn after the other
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #pass(deed: () => void): void {
    if (this.#held === null) deed();
    else this.#held.push(deed);
  }
}
