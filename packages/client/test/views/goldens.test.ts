import { readdirSync, readFileSync } from 'node:fs';
import type { ViewHandle } from '@holdfast/client/views';
import { describe, expect, it } from 'vitest';
import { Scripted } from './scripted.ts';

type Payload = { readonly [name: string]: unknown };
type Golden = {
  readonly scenario: string;
  readonly frames: readonly {
    readonly dir: 'out' | 'in';
    readonly event: string;
    readonly payload: Payload;
  }[];
  readonly expected_state: unknown;
};

const folder = new URL('../../../protocol/test/vectors/views/', import.meta.url);
const goldens = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Golden);

const ids = (...names: readonly string[]): object => ({ items: names.map((id) => ({ id })) });
const avatar = (state: object): object => ({
  avatar: {
    config: { accept: ['.png'], maxEntries: 2, maxFileSize: 1_000_000, chunkSize: 1024 },
    entries: [],
    errors: [],
    progress: 0,
    ...state,
  },
});

/** What is shown at the end of a conversation, beside the tree. */
const lists: { readonly [scenario: string]: object } = {
  stream_reset: ids('1', '2', '3'),
  stream_insert: ids('0', '1', '2', '9'),
  stream_delete: ids('1', '3'),
  stream_at_variants: ids('7', '2', '1', '3'),
  async_loading_ok: { profile: { status: 'ok', data: { name: 'ada' }, error: null } },
  upload_preflight_ok: avatar({
    status: 'selecting',
    entries: [
      {
        ref: 'u_0001',
        name: 'a.png',
        size: 2048,
        type: 'image/png',
        progress: 0,
        status: 'pending',
        errors: [],
      },
    ],
  }),
  upload_preflight_rejected: avatar({
    status: 'error',
    errors: [
      { code: 'not_accepted', message: 'file type is not accepted' },
      { code: 'too_large', message: 'file exceeds the maximum size' },
    ],
  }),
  upload_cancel: avatar({ status: 'cancelled' }),
};

/** Does what an outgoing frame says, as an application would. */
class Replay {
  readonly outcomes: Promise<unknown>[] = [];
  readonly events: unknown[] = [];
  page: ViewHandle | undefined;
  readonly #world: Scripted;

  constructor(world: Scripted) {
    this.#world = world;
  }

  perform(event: string, payload: Payload): void {
    const root = this.page?.proxy;
    if (event === 'phx_join') this.#mount(payload);
    else if (event === 'phx_leave') this.page?.unmount();
    else if (event === 'command') this.#dispatch(payload);
    else if (event === 'cancel_upload') this.#keep(root?.['avatar'].cancel(payload['ref']));
    else if (event === 'allow_upload') {
      const entries = payload['entries'] as readonly { name: string; size: number; type: string }[];
      const files = entries.map(
        ({ name, size, type }) => new File(['x'.repeat(size)], name, { type }),
      );
      this.#keep(root?.['avatar'].select(files));
    } else throw new Error(`what is ${event}?`);
  }

  #mount({ module, id, params }: Payload): void {
    this.page = this.#world.client.view(module as string, {
      id: id as string,
      params: params as {},
    });
    this.page.proxy.$on('toast', (toast) => this.events.push(toast));
    this.#keep(this.page.ready);
  }

  #dispatch({ store_id: id, name, payload }: Payload): void {
    const root = this.page?.proxy;
    const target = (id as string[]).length === 0 ? root : root?.['child'];
    this.#keep(target.$dispatch(name, payload));
  }

  #keep(outcome: Promise<unknown>): void {
    this.outcomes.push(
      outcome.then(
        () => 'ok',
        (error: { code: string }) => error.code,
      ),
    );
  }
}

describe('V90 the recorded conversations of a Musubi server', () => {
  it.each(goldens.map((golden) => [golden.scenario, golden] as const))(
    '%s',
    async (scenario, golden) => {
      await using world = new Scripted();
      const replay = new Replay(world);
      const replies: unknown[] = [];
      let last = await nothing();
      let topic = '';
      for (const { dir, event, payload } of golden.frames) {
        if (dir === 'out') {
          replay.perform(event, payload);
          // What is loaded for uploads takes a moment.
          await expect
            .poll(() => world.clock.advance(1).then(() => world.sent.length))
            .toBeGreaterThan(0);
          last = await world.next(event);
          if (event === 'phx_join') topic = last.topic;
          expect(last.topic).toBe(topic);
          // A command without a name our client does not send; what else it would have sent is the same.
          expect(last.payload).toMatchObject(payload);
        } else if (event === 'phx_reply') {
          const { status, response } = payload as { status: string; response: object };
          replies.push(status === 'ok' ? 'ok' : (response as { reason: string }).reason);
          await (status === 'ok' ? world.reply(last, response) : world.refuse(last, response));
        } else await world.event(event, payload, topic);
      }
      const { page } = replay;
      const shown = plain(golden.expected_state) as {} | null;
      const expected = shown === null ? undefined : { ...shown, ...lists[scenario] };
      // What is said of uploads is read by a part that is loaded when needed.
      await expect.poll(() => page?.proxy.$snapshot()).toEqual(expected);
      const answered = replies.filter(
        (_, index) =>
          golden.frames.filter(({ dir }) => dir === 'out')[index]?.event !== 'phx_leave',
      );
      expect(await Promise.all(replay.outcomes)).toEqual(answered);
      expect(replay.events).toEqual(scenario === 'event_only_cycle' ? [{ msg: 'saved' }] : []);
      expect(world.sent).toEqual([]);
      expect(world.errors).toEqual([]);
    },
  );
});

async function nothing(): ReturnType<Scripted['next']> {
  return { joinRef: null, ref: null, topic: '', event: '', payload: {} };
}

/** A tree as it is shown, with streams empty and uploads and async values left out. */
function plain(tree: unknown): unknown {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([name, value]) => name !== '__musubi_store_id__' && !isSlot(value))
      .map(([name, value]) => [name, plain(value)]),
  );
}

function isSlot(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    /"__musubi_(stream|upload|async)__"/.test(JSON.stringify(value))
  );
}
