import type { Link, LinkEvents } from '@holdfast/client';
import { joinReply, topic } from '../load/join-reply.ts';

/** A leaf as a snapshot has it. */
type Row = readonly [path: string, value: unknown, type: string, revision: number];

/** A link to a server that is not there: it grants what a join asks for, and sends the leaves. */
export class Wire implements Link {
  readonly #rows: readonly Row[];
  #events: LinkEvents | null = null;

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  /** The seq up to which the first state goes. */
  get head(): number {
    return this.#rows.length;
  }

  open(_url: string, events: LinkEvents): ReturnType<Link['open']> {
    this.#events = events;
    queueMicrotask(() => events.opened());
    return { send: (data) => this.#answer(String(data)), close: () => undefined };
  }

  receive(text: string): void {
    this.#events?.received(text);
  }

  #say(event: string, payload: object): void {
    this.receive(JSON.stringify([null, null, topic, event, payload]));
  }

  #answer(text: string): void {
    const [joinRef, ref, to, event, { patterns }] = JSON.parse(text) as [
      string,
      string,
      string,
      string,
      { patterns?: string[] },
    ];
    const joined = event === 'phx_join';
    const response = joined ? { ...joinReply(this.head), patterns, sync: 'snapshot' } : {};
    queueMicrotask(() => {
      const reply = { status: 'ok', response };
      this.receive(JSON.stringify([joinRef, ref, to, 'phx_reply', reply]));
      if (joined) this.#snapshot();
    });
  }

  #snapshot(): void {
    const at = { id: 'bench', seq: this.head };
    const entries = this.#rows;
    this.#say('snapshot_begin', { ...at, incarnation: 'feeder', entries: null, within: null });
    this.#say('snapshot_chunk', { id: 'bench', index: 0, entries, maps: [] });
    this.#say('snapshot_end', { ...at, chunks: 1, entries: entries.length });
    this.#say('catch_up_complete', { through_seq: at.seq });
  }
}
