import type { Link, Store } from '@holdfast/client';
import { isBadFrame, isObject, jsonCodec, readFrame } from '@holdfast/protocol';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { textOf } from '../text.ts';

export const storeName = 'acme/app';
export const parts = ['a/**', 'a/*/x', 'a/1/**', 'b/**', 'docs/**', 'docs/1/**', 'docs/*/secret'];
const openMax = 3;

/** What somebody does who reads. */
export type ReaderDeed = 'open' | 'ask';

/** Somebody who holds parts of a store, and asks over HTTP; all that it was told is written down. */
export class Reader {
  readonly device: Device;
  /** Each op, and each leaf, that came over the connection. */
  readonly told: string[] = [];
  /** What was asked over HTTP, and what came of it. */
  readonly answers: string[] = [];
  #open: readonly Store[] = [];

  constructor(world: World, name: string) {
    const wrap = (link: Link): Link => this.#overheard(link);
    this.device = world.device(name, { durable: false, scope: ['a/**', 'docs/**'], wrap });
    void this.device.store(storeName);
  }

  act(does: ReaderDeed, dice: Dice): void {
    if (does === 'ask') void this.#ask(dice.pick(parts));
    else this.#turn(dice);
  }

  #turn(dice: Dice): void {
    const part = dice.pick(parts);
    const [first, ...rest] = this.#open;
    if (this.#open.length >= openMax) {
      first?.close();
      this.#open = rest;
    }
    const store = this.device.client.store(storeName, { scope: [part] });
    // What may not be read is refused, here as alone.
    store.ready.catch(() => undefined);
    this.#open = [...this.#open, store];
  }

  async #ask(pattern: string): Promise<void> {
    const url = `http://simulated.example/api/stores/${storeName}/entries?pattern=${encodeURIComponent(pattern)}`;
    const headers = { authorization: `Bearer ${this.device.token}` };
    const answer = await this.device.fetch(url, { headers });
    const text = await answer.text();
    this.answers.push(`${pattern} ${answer.status} ${text}`);
  }

  #overheard(link: Link): Link {
    return {
      open: (url, events) =>
        link.open(url, {
          ...events,
          received: (data) => {
            const frame = readFrame(jsonCodec.decode(data));
            if (!isBadFrame(frame)) this.told.push(...rowsOf(frame.payload));
            events.received(data);
          },
        }),
    };
  }
}

/** The rows of a message: its ops, and its leaves. */
function rowsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) {
    // When a part is let go of is nobody's concern here, nor which it is held with meanwhile.
    if (value.every((each) => typeof each === 'string')) return [];
    return typeof value[0] === 'object' ? value.flatMap(rowsOf) : [textOf(value)];
  }
  return isObject(value) ? Object.values(value).flatMap(rowsOf) : [];
}
