import { app, holdfast, RejectedError, stream } from '@holdfast/server';
import { z } from 'zod';
import type { Fuses } from './fuses.ts';

/*
 * Views of which it can be told from outside whether they are right: what they show of a store is a function of its state,
 * which names itself (`at`); what they keep themselves has to agree with itself.
 */

type Shelf = {
  at: number;
  cards: { [id: string]: { title: string } };
  marks: { [id: string]: number };
};
type Stores = { 'acme/app': Shelf; 'acme/board': Shelf };
const { view } = holdfast<{ stores: Stores }>();

export const storeName = 'acme/app';
/** Of how many items the log is. */
export const logMax = 5;

/** What renders of a board fail with. */
export const broken = 'simulated: a board is broken';

/** A card counts the titles that it is given, and its thoughts, of which a command has two with a while between them. */
function cardOf({ pause, store, newInstance }: BoardPorts) {
  return view({
    name: 'Card',
    params: z.object({ id: z.string(), title: z.string() }),
    emits: { flipped: z.object({}) },
    mount: () => ({ flips: 0, titles: 0, thoughts: 0, instance: newInstance() }),
    onProps: (ctx) => ctx.update((s) => void (s.titles += 1)),
    render: (state, _h, ctx) => ({
      id: ctx.params.id,
      title: ctx.params.title,
      mark: ctx.store(store).get(['marks', ctx.params.id]) ?? null,
      ...state,
    }),
    commands: {
      flip: {
        run: (ctx) => {
          ctx.update((s) => void (s.flips += 1));
          ctx.emit('flipped', {});
        },
      },
      ponder: {
        run: async (ctx) => {
          ctx.update((s) => void (s.thoughts += 1));
          await pause();
          ctx.update((s) => void (s.thoughts += 1));
        },
      },
    },
  });
}

/** What boards need of their world. */
export type BoardPorts = {
  /** Names an instance: with a number of its world's own, so that a world is the same again. */
  readonly newInstance: () => number;
  /** Hears of every command that a handler runs, and of what instance. */
  readonly ran: (instance: number, key: string) => void;
  /** Hears of the params that a board has from now on, as far as it comes to that. */
  readonly given?: (id: string, n: number) => void;
  /** What lets its renders fail. */
  readonly fuses?: () => Pick<Fuses, 'light' | 'isBurning'>;
  /** Lets a while pass. */
  readonly pause: () => Promise<void>;
  /** What they show. */
  readonly store: keyof Stores;
};

/** A board in one of the scopes. */
function boardOf(scope: 'connection' | 'shared', ports: BoardPorts) {
  const { ran, given = () => undefined, newInstance } = ports;
  const isShared = scope === 'shared';
  const card = cardOf(ports);
  return view({
    name: isShared ? 'Room' : 'Desk',
    scope,
    params: z.object({ n: z.number().default(0) }),
    mount: ({ id, params: { n } }) => {
      given(id, n);
      return { said: 0, flips: 0, fuse: 0, instance: newInstance() };
    },
    onParams: (ctx, { n }) => given(ctx.id, n),
    streams: { log: stream<{ id: number; text: string }>({ limit: logMax, retain: isShared }) },
    events: { said: z.object({ said: z.number() }) },
    messages: {
      flipped: { input: z.object({}), run: (ctx) => ctx.update((s) => void (s.flips += 1)) },
    },
    render: ({ said, flips, fuse, instance }, h, ctx) => {
      if (ports.fuses?.().isBurning(fuse) === true) throw new Error(broken);
      const store = ctx.store(ports.store);
      const cards = store.get('cards') ?? {};
      return {
        at: store.get('at') ?? 0,
        said,
        flips,
        instance,
        n: ctx.params.n,
        cards: Object.keys(cards)
          .toSorted()
          .map((id) => {
            const title = cards[id]?.title ?? '';
            return h.child(card, id, { id, title }, { on: { flipped: 'flipped' } });
          }),
        log: h.stream('log'),
      };
    },
    commands: {
      say: {
        input: z.object({ key: z.string(), text: z.string() }),
        run: (ctx, { key, text }) => {
          ran(ctx.state.instance, key);
          ctx.update((s) => void (s.said += 1));
          const { said } = ctx.state;
          ctx.stream('log').insert({ id: said, text });
          ctx.send('said', { said });
        },
      },
      // What is done in the same turn may not suffer from that.
      break: {
        run: (ctx) => {
          // No part of the command; and nobody may be there any more by then.
          ports
            .fuses?.()
            .light(ctx.id)
            .then((fuse) => ctx.update((s) => void (s.fuse = fuse)))
            .catch(() => undefined);
        },
      },
      fail: {
        run: (ctx) => {
          ctx.update((s) => void (s.said += 100));
          ctx.stream('log').insert({ id: -1, text: 'never' });
          throw new RejectedError('no');
        },
      },
    },
  });
}

/** The app of a world. */
export function boardsFor(ports: BoardPorts) {
  return app({ views: [boardOf('shared', ports), boardOf('connection', ports)] });
}
