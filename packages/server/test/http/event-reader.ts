/** One message of a stream. */
export type Event = { readonly event: string; readonly id: string | null; readonly data: unknown };

/** Reads one stream, event by event; `lastId` is what a browser would resume with. */
export class Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  lastId = '';
  /** Every id there was, those without an event too. */
  readonly ids: string[] = [];

  constructor(response: Response) {
    if (response.body === null) throw new Error('no stream');
    this.#reader = response.body.getReader();
  }

  /** The next event; null at the end of the stream. Bare ids and comments only move `lastId`. */
  async next(): Promise<Event | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end === -1) {
        // oxlint-disable-next-line no-await-in-loop -- piece by piece
        const { done, value } = await this.#reader.read();
        if (done) return null;
        this.#text += this.#decoder.decode(value, { stream: true });
        continue;
      }
      const event = this.#parse(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
      if (event !== null) return event;
    }
  }

  async take(count: number): Promise<readonly Event[]> {
    const events: Event[] = [];
    while (events.length < count) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const event = await this.next();
      if (event === null) break;
      events.push(event);
    }
    return events;
  }

  async close(): Promise<void> {
    await this.#reader.cancel();
  }

  #parse(block: string): Event | null {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const at = line.indexOf(': ');
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 2));
    }
    const id = fields.get('id') ?? null;
    if (id !== null) {
      this.lastId = id;
      this.ids.push(id);
    }
    const data = fields.get('data');
    return data === undefined
      ? null
      : { event: fields.get('event') ?? 'message', id, data: JSON.parse(data) };
  }
}
