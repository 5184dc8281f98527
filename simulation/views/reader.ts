import { applyPatch } from '@holdfast/engine/data';
import { isObject, type Json } from '@holdfast/protocol';
import type { Envelope, StreamOp } from '@holdfast/protocol/views';
import { logMax } from './board.ts';

type Frame = readonly [
  string | null,
  string | null,
  string,
  string,
  { readonly [name: string]: unknown },
];
type Item = { readonly key: string; readonly item: Json };

/** Hears what is wrong: which word is broken, and how; and of tokens by which one comes back. */
type Listener = {
  readonly complain: (word: string, text: string) => void;
  readonly known?: (token: string) => void;
};

/** What was shown of a store's state: which one, and what of it. */
export type Sight = { readonly who: string; readonly at: number; readonly cards: string };

/**
 * Reads along what a client hears of one root, with the plainest of means, and holds every envelope against the rules: it
 * begins where the one before it ended, and what comes out is a state of the server (views.md §5.2).
 */
export class ViewReader {
  readonly sights: Sight[] = [];
  envelopes = 0;
  resumes = 0;
  readonly #who: string;
  readonly #listener: Listener;
  readonly #resumed = new Map<string, number>();
  /** How many titles each card has counted, by the card's own name. */
  readonly #titles = new Map<unknown, number>();
  /** The params of each instance. */
  readonly #given = new Map<unknown, number>();
  #joinRef = '';
  #isReading = false;
  #isFirst = true;
  #tree: Json = null;
  #log: Item[] = [];
  #version = 0;
  #heard = 0;

  constructor(who: string, listener: Listener) {
    this.#who = who;
    this.#listener = listener;
  }

  /** What a client that is right shows now; undefined: nobody can tell. */
  get shown(): Json | undefined {
    return this.#isReading && !this.#isFirst ? shownOf(this.#tree, this.#log) : undefined;
  }

  /** The client asks for the root. */
  sent([joinRef, , , event, payload]: Frame): void {
    if (event === 'phx_leave') this.#isReading = false;
    if (event !== 'phx_join' || joinRef === null) return;
    const { resume } = payload;
    this.#isReading = false;
    this.#joinRef = joinRef;
    if (isObject(resume)) this.#resumed.set(joinRef, Number(resume['version']));
  }

  heard([joinRef, ref, , event, payload]: Frame): void {
    if (joinRef !== this.#joinRef) return;
    if (event === 'phx_reply' && ref === joinRef) this.#joined(payload);
    else if (event === 'phx_close' || event === 'phx_error') this.#isReading = false;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shape is the client's business
    else if (event === 'patch' && this.#isReading) this.#take(payload as Envelope);
  }

  #joined({ status, response }: Frame[4]): void {
    if (status !== 'ok' || !isObject(response)) return;
    this.#isReading = true;
    this.#listener.known?.(String(response['instance']));
    if (response['resumed'] !== true) {
      this.#isFirst = true;
      this.#version = 0;
      return;
    }
    this.resumes += 1;
    const from = this.#resumed.get(this.#joinRef);
    if (from !== this.#version) this.#say('gapless', `resumes ${from} at ${this.#version}`);
  }

  #take({ base_version: base, version, ops, ...rest }: Envelope): void {
    this.envelopes += 1;
    const isWhole = base === 0 && ops.length === 1 && ops[0]?.path === '';
    if (!isWhole && !this.#isNext(base, version, ops.length === 0)) {
      this.#say('gapless', `${base} → ${version} after ${this.#version}`);
      this.#isReading = false;
      return;
    }
    // The events and seeds of another mount begin anew.
    if (this.#isFirst) [this.#log, this.#heard] = [[], 0];
    this.#isFirst = false;
    const tree = applyPatch(this.#tree, ops);
    if (tree === undefined) this.#say('exact', `${JSON.stringify(ops)} do not fit`);
    this.#tree = tree ?? null;
    this.#version = version;
    for (const op of rest.stream_ops) this.#stream(op);
    this.#look();
    for (const { payload } of rest.events) this.#hear(payload);
  }

  #isNext(base: number, version: number, isSilent: boolean): boolean {
    if (this.#isFirst || base !== this.#version) return false;
    return version === base + 1 || (version === base && isSilent);
  }

  #stream(op: StreamOp): void {
    if (op.op === 'reset') this.#log = [];
    else this.#log = this.#log.filter(({ key }) => key !== op.item_key);
    if (op.op !== 'insert') return;
    const at = op.at === -1 ? this.#log.length : Math.min(op.at, this.#log.length);
    this.#log.splice(at, 0, { key: op.item_key, item: op.item });
    if (op.limit !== null) this.#log.splice(0, Math.max(0, this.#log.length - op.limit));
  }

  /** What the tree says of itself has to agree, and what it says of the store is looked at later. */
  #look(): void {
    const { at, said, flips, cards, instance, n } = membersOf(this.#tree);
    this.#followParams(instance, Number(n));
    const wanted = Array.from(
      { length: Math.min(Number(said), logMax) },
      (_, back) => Number(said) - back,
    );
    const ids = this.#log.map(({ item }) => membersOf(item)['id']).toReversed();
    if (JSON.stringify(ids) !== JSON.stringify(wanted)) {
      this.#say('streams', `the log has ${JSON.stringify(ids)} after ${String(said)}`);
    }
    const list = Array.isArray(cards) ? cards.map(membersOf) : [];
    const flipped = list.reduce((sum, card) => sum + Number(card['flips']), 0);
    if (flipped > Number(flips)) this.#say('whole', `${flipped} flips of ${String(flips)}`);
    for (const card of list) this.#lookAt(card);
    const told = list.map(({ id, title, mark }) => [id, title, mark]);
    this.sights.push({ who: this.#who, at: Number(at), cards: JSON.stringify(told) });
  }

  /** Nobody asks for smaller ones. */
  #followParams(instance: unknown, n: number): void {
    const known = this.#given.get(instance) ?? 0;
    if (n < known) this.#say('params', `has ${n} after ${known}`);
    this.#given.set(instance, n);
  }

  /** Of what a command does all is there or nothing, and nothing that came about meanwhile is taken back by it. */
  #lookAt({ instance, titles, thoughts }: ReturnType<typeof membersOf>): void {
    const count = Number(titles);
    const known = this.#titles.get(instance) ?? 0;
    if (count < known) this.#say('whole', `a card counts ${count} titles after ${known}`);
    if (Number(thoughts) % 2 !== 0) this.#say('whole', `a card has ${String(thoughts)} thoughts`);
    this.#titles.set(instance, count);
  }

  /** Each once, in order, when its state is there. */
  #hear(payload: unknown): void {
    const said = Number(isObject(payload) ? payload['said'] : Number.NaN);
    const shown = Number(membersOf(this.#tree)['said']);
    if (!(said > this.#heard && said <= shown)) {
      this.#say('events', `${said} after ${this.#heard}, where ${shown} is shown`);
    }
    this.#heard = said;
  }

  #say(word: string, text: string): void {
    this.#listener.complain(word, `${this.#who}: ${text}`);
  }
}

function membersOf(value: unknown): { readonly [name: string]: unknown } {
  return isObject(value) ? value : {};
}

/** A wire tree as snapshots show it. */
function shownOf(value: Json, log: readonly Item[]): Json {
  if (Array.isArray(value)) return value.map((each: Json) => shownOf(each, log));
  if (!isObject(value)) return value;
  if ('__musubi_stream__' in value) return log.map(({ item }) => item);
  const members = Object.entries(value).filter(([name]) => name !== '__musubi_store_id__');
  return Object.fromEntries(members.map(([name, each]) => [name, shownOf(each, log)]));
}
