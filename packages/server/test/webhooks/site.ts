import type { Server, ServerOptions } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';

import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';

/** The JSON answer to a request. */
export type Answer = {
  readonly status: number;
  readonly json: { readonly [field: string]: unknown };
};

/** A webhook as the API describes it. */
export type Hook = { readonly id: string; readonly secret: string };

/** A server whose webhooks may go to this machine, and whose time the test lets pass. */
export class Site {
  readonly clock: VirtualClock;
  readonly server: Server;
  readonly storeId: string;
  readonly url: string;

  private constructor(at: { server: Server; url: string; storeId: string }, clock: VirtualClock) {
    this.server = at.server;
    this.url = at.url;
    this.storeId = at.storeId;
    this.clock = clock;
  }

  static async open(
    options: Partial<ServerOptions> & { readonly clock?: VirtualClock } = {},
  ): Promise<Site> {
    const { clock = new VirtualClock() } = options;
    const at = await world({
      clock,
      ...(options.data === undefined && { storage: memory({ now: clock.wall }) }),
      webhooks: { allow: ['127.0.0.1'], http: true },
      ...options,
    });
    return new Site(at, clock);
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}/api/stores/demo/main/${path}`, {
      method,
      headers: { Authorization: 'Bearer dev', 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: JSON.parse(await response.text()) };
  }

  /** Writes values, one commit each. */
  async put(...entries: readonly (readonly [path: string, value: unknown])[]): Promise<void> {
    for (const [path, value] of entries) {
      // oxlint-disable-next-line no-await-in-loop -- seqs in this order
      await this.ask('PUT', `entries/${path}`, value);
    }
  }

  async hook(url: string, more: object = {}): Promise<Hook> {
    const { status, json } = await this.ask('POST', 'webhooks', { url, ...more });
    const { id, secret } = json;
    if (status !== 201 || typeof id !== 'string' || typeof secret !== 'string') {
      throw new Error(JSON.stringify(json));
    }
    return { id, secret };
  }

  /** The webhook as it is listed. */
  async look(id: string): Promise<Answer['json']> {
    const { json } = await this.ask('GET', 'webhooks');
    const list: unknown = json['webhooks'];
    const found = Array.isArray(list) ? list.find((each) => each.id === id) : undefined;
    if (found === undefined) throw new Error(`There is no webhook ${id}.`);
    return found;
  }

  async deliveries(id: string): Promise<readonly Answer['json'][]> {
    const { json } = await this.ask('GET', `webhooks/${id}/deliveries`);
    const list: unknown = json['deliveries'];
    return Array.isArray(list) ? list : [];
  }
}
