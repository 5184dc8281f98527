import { isObject } from '@holdfast/protocol';
import type { ServerOptions } from '@holdfast/server';

type ViewTelemetry = Parameters<NonNullable<ServerOptions['telemetry']>>[0];

type Desk = {
  /** The params that its instance has, and since when. */
  n: number;
  since: number;
  /** When somebody was last let in. */
  joined: number;
  /** When it last lost its client; null: it has one. */
  left: number | null;
  /** Who comes to it: whether that has to be known, and is. */
  coming: { readonly mustBeKnown: boolean; isKnown: boolean } | null;
};

type DeskTerms = {
  readonly now: () => number;
  /** How often a server has ended. */
  readonly ends: () => number;
  readonly complain: (text: string) => void;
  readonly lingerMs: number;
};

/** Between what is asked and what is done. */
const slackMs = 1000;

/**
 * What a server does with the boards that people have for themselves, as it tells itself: whoever comes back with a token of
 * this server before that is to be forgotten, and for the params that the board has, is known (views.md §4.5).
 */
export class Desks {
  readonly #terms: DeskTerms;
  readonly #desks = new Map<string, Desk>();
  readonly #tokens = new Map<string, { readonly ends: number; readonly at: number }>();

  constructor(terms: DeskTerms) {
    this.#terms = terms;
  }

  /** Somebody has got a token. */
  known(token: string): void {
    const { ends, now } = this.#terms;
    this.#tokens.set(token, { ends: ends(), at: now() });
  }

  /** A board is to have params. */
  given(id: string, n: number): void {
    const now = this.#terms.now();
    const desk = this.#desks.get(id) ?? { n, since: now, joined: now, left: null, coming: null };
    this.#desks.set(id, Object.assign(desk, { n, since: now }));
  }

  /** Somebody asks for a root. */
  joins(payload: unknown): void {
    const { module, id, params, resume } = membersOf(payload);
    const desk = this.#desks.get(String(id));
    if (module !== 'Desk' || desk === undefined) return;
    const token = membersOf(resume)['instance'];
    // Of two who come at once nothing is known.
    const isAlone = desk.coming === null && membersOf(params)['n'] === desk.n;
    desk.coming = { mustBeKnown: isAlone && this.#mustBeKnown(desk, token), isKnown: false };
  }

  /** The server tells what it does. */
  heard(event: ViewTelemetry): void {
    const desk = this.#desks.get(event.id);
    if (event.module !== 'Desk' || desk === undefined) return;
    const { coming } = desk;
    if (event.name === 'leave') desk.left = event.kept ? this.#terms.now() : -Infinity;
    // What it has missed may not be there any more, and then it begins anew.
    if (event.name === 'resume' && coming !== null) coming.isKnown = true;
    if (event.name !== 'join') return;
    desk.coming = null;
    if (event.reason !== null) return;
    if (coming?.isKnown === false && coming.mustBeKnown) {
      this.#terms.complain(`${event.id} came back to its board, and nobody knew of that`);
    }
    desk.left = null;
    desk.joined = this.#terms.now();
  }

  #mustBeKnown(desk: Desk, token: unknown): boolean {
    const { now, ends, lingerMs } = this.#terms;
    const known = typeof token === 'string' ? this.#tokens.get(token) : undefined;
    // Whoever has not heard of the last time may have the token of another board.
    if (known?.ends !== ends() || known.at < desk.joined) return false;
    const isSettled = now() - desk.since > slackMs;
    return isSettled && (desk.left === null || now() - desk.left < lingerMs - slackMs);
  }
}

function membersOf(value: unknown): { readonly [name: string]: unknown } {
  return isObject(value) ? value : {};
}
