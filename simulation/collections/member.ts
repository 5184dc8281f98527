import type { Client, Link } from '@holdfast/client';
import { type CollectionHandle, type RecordHandle, records } from '@holdfast/client/records';
import { collection, type CollectionDef, type Seq } from '@holdfast/protocol';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { World } from '../src/world.ts';
import { all, Card, Newer, newer, questions, type Question, storeName } from './card.ts';
import type { Asked } from './fresh.ts';
import type { Granted } from './judge.ts';
import type { Spoil } from './mutants.ts';
import { edgeIn, idOf, Reader, type Sight } from './reader.ts';

/** Who has all there is. */
const knower = 'cleo';

/** How somebody has the store: all of it, the part that it asks for, or now so and now so. */
export type Holding = 'whole' | 'asks' | 'switches';

export type MemberOptions = {
  readonly name: string;
  readonly holding: Holding;
  /** Of the next major, which cannot read all there is. */
  readonly isNewer?: boolean;
  readonly durable?: boolean;
  /** Who it is to the server; default: its name. */
  readonly subject?: string;
  /** Where it sits, where that is no device of its own. */
  readonly seat?: (options: DeviceOptions) => Device;
  readonly granted: readonly Granted[];
};

/** A row as a client shows it. */
export type ShownRow = readonly [id: string, value: Card, pending: number];

/** What a client showed of a collection at a time when it knew all there was up to a commit. */
export type Shown = {
  readonly at: number;
  readonly incarnation: string;
  readonly seq: Seq;
  readonly asked: readonly Asked[];
  readonly rows: readonly ShownRow[];
  readonly hasMore: boolean;
  readonly end: string | null;
  /** What it had been told of; null: it finds the rows itself. */
  readonly told: Sight | null;
};

type Open = {
  readonly question: Question;
  readonly def: CollectionDef<typeof Card>;
  readonly handle: CollectionHandle<typeof Card>;
  readonly release: () => void;
  limit: number;
  last: string;
};

type Standing = {
  readonly phase: string;
  readonly seq: Seq;
  readonly incarnation: string | null;
  readonly pending: number;
  readonly held: readonly string[];
};

/** A frame as it is sent. */
type Wire = [unknown, unknown, unknown, string, { [name: string]: unknown }];

/** A client with collections, watched at its window and at its wire. */
export class Member {
  readonly options: MemberOptions;
  readonly device: Device;
  readonly reader: Reader;
  readonly shown: Shown[] = [];
  /** What it may be shown, without a commit, before it has been looked at: how often it was. */
  looks = 0;
  readonly #world: World;
  readonly #spoil: Spoil;
  /** How many servers had crashed when it last connected; and whether another one is there since it was connected before. */
  #crashes = 0;
  #isAnew = false;
  /** How far the client that lives had come when it was last looked at. */
  #far: { readonly client: Client; readonly of: string | null; readonly seq: Seq } | null = null;
  #open = new Map<string, Open>();
  #whole: { close(): void } | null = null;

  constructor(world: World, options: MemberOptions, spoil: Spoil) {
    this.#world = world;
    this.#spoil = spoil;
    this.options = options;
    this.reader = new Reader(() => world.now, { isTab: options.seat !== undefined });
    const { name, holding, isNewer = false, durable = true } = options;
    const seat = options.seat ?? ((of: DeviceOptions) => world.device(name, of));
    this.device = seat({
      records: records([isNewer ? Newer : Card]),
      durable,
      ...(holding !== 'whole' && { scope: ['own/**'] }),
      wrap: (link) => this.#readAlong(link),
      onRestart: (client) => this.#restart(client),
    });
    for (const question of questions) this.open(question);
  }

  get subject(): string {
    return this.options.subject ?? this.options.name;
  }

  get openNow(): readonly (readonly [Question, Open])[] {
    return [...this.#open.values()].map((open) => [open.question, open] as const);
  }

  /** What the client knows of its store. */
  get standing(): Standing | undefined {
    const { stores } = this.device.client.inspect() as { stores: Standing[] };
    const [own] = stores;
    // Of one that is closed less is known.
    return own !== undefined && 'seq' in own ? own : undefined;
  }

  get holdsAll(): boolean {
    return this.standing?.held.some((glob) => glob === '**' || glob === 'cards/**') === true;
  }

  /** Whether it has a card whatever collections show. */
  holds(id: string): boolean {
    return this.holdsAll || this.standing?.held.includes(`cards/${id}/**`) === true;
  }

  record(id: string): RecordHandle<typeof Card> {
    const def = this.options.isNewer === true ? (Newer as typeof Card) : Card;
    return this.device.client.record(def, { id });
  }

  /** Asks a question, from the beginning, or from where a window of it ends. */
  open(question: Question, after: string | null = null): void {
    this.close(question);
    const { orderBy, where, limit } = question.def.query;
    const record = this.options.isNewer === true ? (Newer as typeof Card) : Card;
    const spec = { where, orderBy, limit, ...(after !== null && { after }) };
    const def = collection(record, spec as Parameters<typeof collection<typeof Card>>[1]);
    const handle = this.device.client.collection(def);
    const leave = handle.state.subscribe(() => this.#look({ isAmid: true }));
    const hold = handle.retain();
    const release = (): void => {
      leave();
      hold();
    };
    this.#open.set(question.name, { question, def, handle, release, limit, last: '' });
  }

  close({ name }: Question): void {
    this.#open.get(name)?.release();
    this.#open.delete(name);
  }

  closeAll(): void {
    for (const { release } of this.#open.values()) {
      if (!this.#spoil('a query is left open')) release();
    }
    this.#open.clear();
    this.#whole?.close();
    this.#whole = null;
  }

  /** Goes on where the window ends, or back to the beginning. */
  page(question: Question): void {
    const open = this.#open.get(question.name);
    if (open === undefined) return;
    this.open(question, open.handle.state.get().endCursor);
  }

  widen(question: Question): void {
    const open = this.#open.get(question.name);
    if (open === undefined || open.limit >= open.def.query.limit + 6) return;
    open.limit += 2;
    open.handle.loadMore(2).catch(() => undefined);
  }

  /** Holds all cards, or lets go of them. */
  switch(): void {
    if (this.options.holding !== 'switches') return;
    if (this.#whole === null) {
      this.#whole = this.device.client.store(storeName, { scope: ['cards/**'] });
    } else {
      this.#whole.close();
      this.#whole = null;
    }
  }

  /** What a collection may ask for by now: one that was here before may have stayed as wide as it was. */
  askedOf({ question, def }: Open): readonly Asked[] {
    const { after, limit } = def.query;
    const edge = after === null ? null : edgeIn(after);
    return [0, 2, 4, 6].map((more) => ({ question, limit: limit + more, after: edge }));
  }

  /** The rows that a collection shows. */
  rowsOf({ handle }: Open): readonly ShownRow[] {
    const rows = handle.state
      .get()
      .rows.map(({ key, value, pending }): ShownRow => [
        idOf(key.slice(`rec/${storeName}/`.length)),
        value,
        pending,
      ]);
    if (this.#spoil('a row is left out')) return rows.slice(1);
    return this.#spoil('an own write is not laid over') ? rows.filter(([, , n]) => n === 0) : rows;
  }

  /** A card as this client shows it; null: it cannot be read here. */
  reads(card: Card): Card | null {
    if (this.options.isNewer !== true) return card;
    return card.tag === 'odd' ? null : newer(card);
  }

  /** Writes of its own that are not answered, as they were made. */
  readonly pending: Map<string, { card: Card | null; count: number }> = new Map();

  #restart(_client: Client): void {
    const before = [...this.#open.values()];
    this.#open = new Map();
    this.#whole = null;
    for (const { question } of before) this.open(question);
  }

  #readAlong(link: Link): Link {
    return {
      open: (url, events) => {
        this.reader.begin();
        const line = link.open(url, {
          ...events,
          opened: () => {
            const { crashes } = this.#world.site;
            this.#isAnew = crashes > this.#crashes;
            this.#crashes = crashes;
            events.opened();
          },
          received: (data) => this.#receive(data, (each) => events.received(each)),
        });
        const send = (data: string | Uint8Array): void => {
          this.reader.sent(data);
          line.send(this.#asked(data));
        };
        return { send, close: (code) => line.close(code) };
      },
    };
  }

  /** What it says to have of the rows that it asks for: of a server that was started anew, perhaps what another has. */
  #asked(data: string | Uint8Array): string | Uint8Array {
    const isLie =
      this.#isAnew &&
      String(data).includes('"query_open"') &&
      this.#spoil('a client says to have what it has not');
    if (!isLie) return data;
    const frame = JSON.parse(String(data)) as Wire;
    const whole = this.#world.device(knower).store(storeName);
    const { have } = frame[4] as { have: { [row: string]: number } };
    for (const row of Object.keys(have)) have[row] = whole.entry(row)?.revision ?? 0;
    return JSON.stringify(frame);
  }

  #receive(data: string | Uint8Array, receive: (data: string | Uint8Array) => void): void {
    const text = this.#spoiled(String(data));
    if (text === null) return;
    this.reader.heard(text);
    const isDelta = text.includes('"query_delta"') && text.includes('"ops"');
    if (!(isDelta && this.#spoil('a client overlooks a step'))) receive(text);
    // When the client has done all that follows at once.
    setImmediate(() => this.#look());
  }

  #spoiled(text: string): string | null {
    if (!text.includes('"query_delta"')) return text;
    const frame = JSON.parse(text) as Wire;
    const delta = frame[4];
    const { rows, ops, has_more: hasMore } = delta;
    if (Array.isArray(ops) && this.#spoil('a step is lost')) return null;
    if (Array.isArray(rows) && rows.length > 1 && this.#spoil('rows come in another order')) {
      delta['rows'] = rows.toReversed();
    }
    if (hasMore === true && this.#spoil('there is more, and nobody is told')) {
      delta['has_more'] = false;
    }
    const other = text.replaceAll(/(\/owner"),"\w+","string"/g, '$1,5,"integer"');
    if (other !== text && this.#spoil('a value is of another kind')) return other;
    return this.#isValueSpoiled() ? text.replaceAll(/"m\d+"/g, '"m0"') : JSON.stringify(frame);
  }

  #isValueSpoiled(): boolean {
    if (this.#spoil('a value is another')) return true;
    const isLimited = this.options.granted.at(-1)?.rights !== all;
    return isLimited && this.#spoil('a value is another to whom not all is shown');
  }

  /** Notes what every collection shows, where that is to be what is committed; `isAmid`: others have yet to be told. */
  #look({ isAmid = false } = {}): void {
    const { standing } = this;
    if (standing === undefined) return;
    this.#follow(standing);
    if (standing.pending > 0 || standing.incarnation === null) return;
    for (const open of this.#open.values()) {
      const isTold = !isAmid || this.rowsOf(open).every(([, , pending]) => pending === 0);
      if (isTold) this.#note(open, standing, standing.incarnation);
    }
  }

  /** Within an incarnation nothing older is shown again. */
  #follow({ seq, incarnation }: Standing): void {
    const { client } = this.device;
    const last = this.#far;
    this.#far = { client, of: incarnation, seq };
    if (last?.client !== client || last.of !== incarnation || last.seq === 0) return;
    const shown = this.#spoil('something older is shown again') ? last.seq - 1 : seq;
    if (shown >= last.seq) return;
    this.#world.problem(`monotone: ${this.subject} is at ${shown}, and was at ${last.seq}`);
  }

  #note(open: Open, { seq, held }: Standing, incarnation: string): void {
    const { ready, status, hasMore, endCursor } = open.handle.state.get();
    const isLocal = held.some((glob) => glob === '**' || glob === 'cards/**');
    const asks = this.askedOf(open);
    const told = isLocal ? null : this.reader.lastOf(asks);
    if (!ready || status !== 'ok' || (!isLocal && told === null)) return;
    this.looks += 1;
    const rows = this.rowsOf(open);
    const asked = told?.asked ?? asks;
    const text = JSON.stringify([seq, incarnation, rows, hasMore, endCursor, asked.length]);
    if (text === open.last) return;
    open.last = text;
    const at = this.#world.now;
    this.shown.push({ at, incarnation, seq, asked, rows, hasMore, end: endCursor, told });
  }
}
