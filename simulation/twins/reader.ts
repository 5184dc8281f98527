import type { Link, Store } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { isBadFrame, isObject, jsonCodec, readFrame } from '@holdfast/protocol';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { textOf } from '../text.ts';
import { Doc, queries, storeName } from './doc.ts';

const parts = ['a/**', 'a/*/x', 'a/1/**', 'b/**', 'docs/**', 'docs/1/**', 'docs/*/secret'];
const openMax = 3;

/** When something was, to the millisecond, depends on who else is there. */
const times = /\d{4}-\d\d-\d\dT[\d:.]+Z/g;

type Opened = { readonly part: string; readonly store: Store };
type Row = readonly unknown[];
type Query = (typeof queries)[number];

/** What somebody does who reads. */
export type ReaderDeed = 'open' | 'list' | 'cut' | 'ask';

/** Somebody who holds parts of a store, and asks over HTTP; all that it was told is written down. */
export class Reader {
  readonly device: Device;
  /** Each op, and each leaf, that came over the connection. */
  readonly told: string[] = [];
  /** The values that these tell of, each at its leaf: the same whether the log tells them or the state. */
  readonly facts: Set<string> = new Set<string>();
  /** What was asked over HTTP, and what came of it. */
  readonly answers: string[] = [];
  #open: readonly Opened[] = [];
  readonly #lists = new Map<Query, () => void>();

  constructor(world: World, name: string, { scope }: { readonly scope: readonly string[] }) {
    const wrap = (link: Link): Link => this.#overheard(link);
    const more = { records: records([Doc]), wrap };
    this.device = world.device(name, { durable: false, scope, ...more });
    void this.device.store(storeName);
  }

  act(does: ReaderDeed, dice: Dice): void {
    if (does === 'cut') this.device.cut();
    else if (does === 'list') this.#list(dice.pick(queries));
    else if (does === 'ask') void this.#ask(questionOf(dice));
    else this.#turn(dice);
  }

  #turn(dice: Dice): void {
    const part = dice.pick(parts);
    const [first, ...rest] = this.#open;
    if (this.#open.length >= openMax) {
      first?.store.close();
      this.#open = rest;
    }
    const store = this.device.client.store(storeName, { scope: [part] });
    // What may not be read is refused, here as alone.
    store.ready.catch(() => undefined);
    this.#open = [...this.#open, { part, store }];
  }

  /** Keeps a list of records, or lets go of it. */
  #list(query: Query): void {
    const end = this.#lists.get(query);
    if (end === undefined) this.#lists.set(query, this.device.client.collection(query).retain());
    else {
      end();
      this.#lists.delete(query);
    }
  }

  /** All that is shown of each part that it has open, and of each list. */
  get shown(): readonly string[] {
    const leaves = this.#open.flatMap(({ part, store }) =>
      store
        .entries(part, { limit: 1000 })
        .items.map(({ path, value }) => `${part}: ${path} ${textOf(value)}`),
    );
    const lists = [...this.#lists.keys()].map((query) => {
      const rows = this.device.client.collection(query).get();
      return `list ${queries.indexOf(query)}: ${textOf(rows)}`;
    });
    return [...leaves, ...lists];
  }

  async #ask(question: string): Promise<void> {
    const url = `http://simulated.example/api/stores/${storeName}${question}`;
    const headers = { authorization: `Bearer ${this.device.token}` };
    const answer = await this.device.fetch(url, { headers });
    const text = await answer.text();
    this.answers.push(`${question} ${answer.status} ${text.replace(times, 'then')}`);
  }

  #hear(rows: readonly Row[]): void {
    this.told.push(...rows.map(textOf));
    for (const fact of rows.flatMap(factsOf)) this.facts.add(fact);
  }

  #overheard(link: Link): Link {
    return {
      open: (url, events) =>
        link.open(url, {
          ...events,
          received: (data) => {
            const frame = readFrame(jsonCodec.decode(data));
            if (!isBadFrame(frame)) this.#hear(rowsOf(frame.payload));
            events.received(data);
          },
        }),
    };
  }
}

/** What is asked by HTTP: what is there, in what form whatever, and what happened. */
function questionOf(dice: Dice): string {
  const part = dice.pick(parts);
  const pattern = encodeURIComponent(part);
  const path = encodeURIComponent(part.replace(/\/\*.*$/, ''));
  return dice.pick([
    `/entries?pattern=${pattern}`,
    `/entries?pattern=${pattern}&limit=2`,
    `/entry?path=${path}`,
    `/log?path=${pattern}&limit=200`,
    `/diff?from_seq=${dice.below(20)}`,
    `/entry?path=${path}&at_seq=${1 + dice.below(60)}`,
    `/explain?path=${path}&op=set`,
    '/export',
    '',
  ]);
}

/** The rows of a message: its ops, and its leaves. */
function rowsOf(value: unknown): readonly Row[] {
  if (Array.isArray(value)) {
    // When a part is let go of is nobody's concern here, nor which it is held with meanwhile.
    if (value.every((each) => typeof each === 'string')) return [];
    return typeof value[0] === 'object' ? value.flatMap(rowsOf) : [value];
  }
  return isObject(value) ? Object.values(value).flatMap(rowsOf) : [];
}

/** An op begins with its seq, and a leaf with its path. */
function factsOf([first, second, path, value]: Row): readonly string[] {
  if (typeof first !== 'number') return leavesOf(first, second);
  return second === 'delete' ? [] : leavesOf(path, value);
}

function leavesOf(path: unknown, value: unknown): readonly string[] {
  if (!isObject(value)) return [`${String(path)} ${textOf(value)}`];
  return Object.entries(value).flatMap(([name, each]) => leavesOf(`${String(path)}/${name}`, each));
}
