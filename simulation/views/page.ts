import type { Link } from '@holdfast/client';
import { HoldfastError } from '@holdfast/client';
import { type ViewHandle, views } from '@holdfast/client/views';
import type { Store } from '@holdfast/client';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { storeName } from './board.ts';
import { spoiled, type ViewMutant } from './mutants.ts';
import { ViewReader } from './reader.ts';

/** What all pages of a world share. */
export type Wall = {
  readonly world: World;
  readonly complain: (word: string, text: string) => void;
  /** Whether the next chance to spoil something is taken. */
  readonly spoils: (mutant: ViewMutant) => ViewMutant | null;
  /** A number that names the next state of the store. */
  readonly next: () => number;
  /** Hears that somebody has got a token by which to come back. */
  readonly known?: (token: string) => void;
};

/** How a command may end in bad weather: refused, lost with its connection or its page, or cut off with its instance. */
const expected = new Set([
  'no',
  'disconnected',
  'closed',
  'timeout',
  'unknown store',
  'internal_error',
]);

type Frame = Parameters<ViewReader['heard']>[0];

/** Somebody with a board that all share and one of their own, reading along what comes over the network. */
export class Page {
  readonly device: Device;
  readonly readers: ReadonlyMap<string, ViewReader>;
  readonly #wall: Wall;
  readonly #name: string;
  #pages = new Map<string, ViewHandle>();
  #said = 0;
  /** Hears nothing of its boards any more, which must be seen. */
  #isDeaf = false;
  /** The params that it has asked for last. */
  #n = 0;

  constructor(
    wall: Wall,
    name: string,
    seat: (options: DeviceOptions) => Device = (options) => wall.world.device(name, options),
  ) {
    this.#wall = wall;
    this.#name = name;
    this.readers = new Map(
      ['Room:r', `Desk:${name}`].map((rootId) => [
        rootId,
        new ViewReader(`${name} of ${rootId}`, wall),
      ]),
    );
    this.device = seat({
      views: views(),
      wrap: (link) => this.#readAlong(link),
      onRestart: () => this.#pages.clear(),
    });
  }

  /** Whether it shows both boards as they are at a state of the store. */
  isAt(at: number): boolean {
    return [...this.readers.keys()].every((rootId) => {
      const page = this.page(rootId);
      const isGiven = rootId.startsWith('Room') || page.proxy['n'] === this.#n;
      return page.health.get().state === 'live' && page.proxy['at'] === at && isGiven;
    });
  }

  page(rootId: string): ViewHandle {
    let page = this.#pages.get(rootId);
    if (page === undefined) {
      const [module = '', id = ''] = rootId.split(':');
      const params = module === 'Room' ? {} : { n: this.#n };
      page = this.device.client.view(module, { id, params });
      page.ready.catch(() => undefined);
      page.revalidated.catch(() => undefined);
      this.#pages.set(rootId, page);
    }
    return page;
  }

  act(does: string, dice: Dice): void {
    const rootId = dice.pick([...this.readers.keys()]);
    if (does === 'write') scribble(this.device.store(storeName), this.#wall.next(), dice);
    else if (does === 'leave') this.#leave(rootId);
    else if (does === 'params') this.#setParams();
    else this.#command(does, rootId, dice);
    if (does !== 'break') return;
    // In the same turn as what it has set off, one of them.
    const { world } = this.#wall;
    for (const ms of [4, 8, 12, 16, 20]) world.later(ms, () => this.#command('say', rootId, dice));
  }

  /** Gives up both boards. */
  leave(): void {
    for (const rootId of this.readers.keys()) this.#leave(rootId);
  }

  #leave(rootId: string): void {
    this.#pages.get(rootId)?.unmount();
    this.#pages.delete(rootId);
  }

  #setParams(): void {
    this.#n += 1;
    const page = this.page(`Desk:${this.#name}`);
    page.setParams({ n: this.#n }).catch((error: unknown) => {
      const code = error instanceof HoldfastError ? error.code : String(error);
      if (code !== 'closed') this.#wall.complain('calm', `${this.#name}: no params: ${code}`);
    });
  }

  #command(does: string, rootId: string, dice: Dice): void {
    const { proxy } = this.page(rootId);
    if (does === 'flip' || does === 'ponder') {
      const cards: unknown = proxy['cards'];
      const card: unknown = Array.isArray(cards) && cards.length > 0 ? dice.pick(cards) : null;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a card is a node
      if (card !== null) this.#tell((card as typeof proxy).$dispatch(does));
      return;
    }
    this.#said += 1;
    const text = 'x'.repeat(dice.pick([1, 200, 12_000]));
    const payload = does === 'say' ? { key: `${this.#name} ${this.#said}`, text } : {};
    this.#tell(proxy.$dispatch(does, payload));
  }

  #tell(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => {
      const code = error instanceof HoldfastError ? error.code : String(error);
      if (expected.has(code)) return;
      this.#wall.complain('calm', `${this.#name}: a command failed: ${code}`);
    });
  }

  #readAlong(link: Link): Link {
    return {
      open: (url, events) => {
        const line = link.open(url, {
          ...events,
          received: (data) => this.#receive(data, events.received.bind(events)),
        });
        const send = (data: string | Uint8Array): void => {
          for (const each of this.#send(String(data))) line.send(each);
        };
        return { send, close: (code) => line.close(code) };
      },
    };
  }

  #send(text: string): readonly string[] {
    this.#readerOf(text)?.sent(JSON.parse(text) as Frame);
    const isSaid = text.includes('"say"') && text.includes('client_op_id');
    if (!isSaid || this.#wall.spoils('a command runs twice') === null) return [text];
    const again = text.replace(/"client_op_id":"/, '"client_op_id":"z');
    return [text, again.replace(/^(\["[^"]*"),"[^"]*"/, '$1,"again"')];
  }

  #receive(data: string | Uint8Array, receive: (data: string) => void): void {
    const text = String(data);
    const reader = this.#readerOf(text);
    const isPatch = reader !== undefined && text.includes('"patch"');
    const mutant = isPatch ? this.#mutantFor(text) : this.#refused(text);
    for (const each of mutant ?? [text]) {
      reader?.heard(JSON.parse(each) as Frame);
      const isOverlooked = isPatch && this.#wall.spoils('a client overlooks an envelope') !== null;
      if (!isOverlooked) receive(each);
      if (reader !== undefined) this.#compare(text, reader);
    }
  }

  /** What is done is said not to be. */
  #refused(text: string): readonly string[] | null {
    const [joinRef, ref, topic, event, payload] = JSON.parse(text) as Frame;
    const isDone = event === 'phx_reply' && joinRef !== ref && payload['status'] === 'ok';
    if (!isDone || !topic.startsWith('musubi:')) return null;
    if (this.#wall.spoils('a command is refused for nothing') === null) return null;
    const refusal = { status: 'error', response: { code: 'odd', message: 'odd' } };
    return [JSON.stringify([joinRef, ref, topic, event, refusal])];
  }

  #mutantFor(text: string): readonly string[] | null {
    const goesDeaf = this.#wall.spoils('an envelope is lost, and all that follow it') !== null;
    this.#isDeaf ||= goesDeaf;
    if (this.#isDeaf) return [];
    for (const mutant of [
      'an envelope is lost',
      'an envelope comes twice',
      'a value is another',
      'a child is left out',
      'a stream op is lost',
      'an event comes again',
      'params become what they were',
    ] as const) {
      if (spoiled(mutant, text) === null) continue;
      const made = spoiled(this.#wall.spoils(mutant), text);
      if (made !== null) return made;
    }
    return null;
  }

  #readerOf(text: string): ViewReader | undefined {
    const rootId = /"musubi:connection:([^"]*)"/.exec(text)?.[1];
    return rootId === undefined ? undefined : this.readers.get(rootId);
  }

  /** The client shows what was read along. */
  #compare(text: string, reader: ViewReader): void {
    const rootId = /"musubi:connection:([^"]*)"/.exec(text)?.[1] ?? '';
    const handle = this.#pages.get(rootId);
    const { shown } = reader;
    if (handle === undefined || shown === undefined || !text.includes('"patch"')) return;
    const seen = JSON.stringify(handle.proxy.$snapshot());
    if (seen === JSON.stringify(shown)) return;
    this.#wall.complain('shown', `${this.#name} shows ${seen} instead of ${JSON.stringify(shown)}`);
  }
}

/** Changes some of what boards show, all at once, into the state of a number. */
export function scribble(store: Store, at: number, dice: Dice): void {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
  const receipt = store.transact((tx) => {
    tx.put('at', at);
    for (let change = dice.below(4); change >= 0; change -= 1) {
      const id = dice.pick(ids);
      const title = `${at} ${'y'.repeat(dice.below(300))}`;
      if (dice.chance(0.3)) tx.delete(`cards/${id}`);
      else if (dice.chance(0.5)) tx.put(`cards/${id}/title`, title);
      else tx.put(`marks/${id}`, at);
    }
  });
  receipt.committed.catch(() => undefined);
}
