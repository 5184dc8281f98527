import { Reader } from './reader.ts';
import { mount, topic } from './writers.ts';

/** The patterns of a reader of all of a store. */
export const everything = (): readonly string[] => ['**'];

/** Many readers, and a way to wait until all of them have heard enough. */
export class Audience {
  readonly readers: Reader[] = [];
  #check: () => void = () => undefined;

  /** Joins readers to a store of ours, each to the part that its patterns name; by default to all of it. */
  static async ofStore(
    this: void,
    port: number,
    count: number,
    patternsOf: (index: number) => readonly string[] = everything,
  ): Promise<Audience> {
    const audience = new Audience();
    for (let index = 0; index < count; index += 1) {
      const reader = await Reader.open(port, mount(`r${index}`), () => audience.#check());
      // One of them can tell what it heard; the others do no more than count, or the load process would be what is measured.
      if (index === 0) reader.keep();
      const payload = { last_store_seq: 0, patterns: patternsOf(index) };
      reader.send(JSON.stringify(['1', '1', topic, 'phx_join', payload]));
      audience.readers.push(reader);
    }
    // The join reply and `catch_up_complete`.
    await audience.until((reader) => reader.messages >= 2);
    return audience;
  }

  /** Joins readers to one shared root, each on a socket of its own. */
  static async ofView(this: void, port: number, count: number): Promise<Audience> {
    const audience = new Audience();
    for (let index = 0; index < count; index += 1) {
      const reader = await Reader.open(port, mount(`r${index}`), () => audience.#check());
      const payload = { module: 'Room', id: 'r' };
      reader.send(JSON.stringify(['1', '1', 'musubi:connection:Room:r', 'phx_join', payload]));
      audience.readers.push(reader);
    }
    // The join reply and the first envelope.
    await audience.until((reader) => reader.messages >= 2);
    return audience;
  }

  /** Joins so many roots on each of some sockets, each with an instance of its own. */
  static async ofViews(
    this: void,
    port: number,
    { sockets, roots }: { readonly sockets: number; readonly roots: number },
  ): Promise<Audience> {
    const audience = new Audience();
    for (let index = 0; index < sockets; index += 1) {
      const reader = await Reader.open(port, mount(`v${index}`), () => audience.#check());
      audience.readers.push(reader);
      for (let root = 0; root < roots; root += 1) {
        const [ref, payload] = [`${root}`, { module: 'Page', id: `${root}` }];
        const place = `musubi:connection:Page:${root}`;
        reader.send(JSON.stringify([ref, ref, place, 'phx_join', payload]));
      }
      await audience.until((each) => each.messages >= 2 * roots);
    }
    return audience;
  }

  /** Readers of the bare server. */
  static async ofBare(this: void, port: number, count: number): Promise<Audience> {
    const audience = new Audience();
    for (let index = 0; index < count; index += 1) {
      audience.readers.push(await Reader.open(port, '/reader', () => audience.#check()));
    }
    return audience;
  }

  /** Resolves when the condition holds for every reader; each is asked again only while it does not. */
  until(holds: (reader: Reader) => boolean): Promise<void> {
    let next = 0;
    return new Promise((resolve) => {
      this.#check = () => {
        for (; next < this.readers.length; next += 1) {
          const reader = this.readers[next];
          if (reader !== undefined && !holds(reader)) return;
        }
        this.#check = () => undefined;
        resolve();
      };
      this.#check();
    });
  }

  close(): void {
    for (const reader of this.readers) reader.close();
  }
}
