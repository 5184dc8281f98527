import { app, holdfast, RejectedError, stream } from '@holdfast/server';
import { z } from 'zod';

/*
 * Views of which it can be told from outside whether they are right: what they show of a store is a function of its state,
 * which names itself (`at`); what they keep themselves has to agree with itself.
 */

type Stores = {
  'acme/app': {
    at: number;
    cards: { [id: string]: { title: string } };
    marks: { [id: string]: number };
  };
};
const { view } = holdfast<{ stores: Stores }>();

export const storeName = 'acme/app';
/** Of how many items the log is. */
export const logMax = 5;

const card = view({
  name: 'Card',
  params: z.object({ id: z.string(), title: z.string() }),
  emits: { flipped: z.object({}) },
  mount: () => ({ flips: 0 }),
  render: ({ flips }, _h, ctx) => ({
    id: ctx.params.id,
    title: ctx.params.title,
    mark: ctx.store(storeName).get(['marks', ctx.params.id]) ?? null,
    flips,
  }),
  commands: {
    flip: {
      run: (ctx) => {
        ctx.update((s) => void (s.flips += 1));
        ctx.emit('flipped', {});
      },
    },
  },
});

let instances = 0;

/** A board in one of the scopes; `ran` hears of every command that a handler runs, and of what instance. */
function boardOf(scope: 'connection' | 'shared', ran: (instance: number, key: string) => void) {
  const isShared = scope === 'shared';
  return view({
    name: isShared ? 'Room' : 'Desk',
    scope,
    streams: { log: stream<{ id: number; text: string }>({ limit: logMax, retain: isShared }) },
    events: { said: z.object({ said: z.number() }) },
    messages: {
      flipped: { input: z.object({}), run: (ctx) => ctx.update((s) => void (s.flips += 1)) },
    },
    mount: () => ({ said: 0, flips: 0, instance: (instances += 1) }),
    render: ({ said, flips }, h, ctx) => {
      const store = ctx.store(storeName);
      const cards = store.get('cards') ?? {};
      return {
        at: store.get('at') ?? 0,
        said,
        flips,
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
export function boardsFor(ran: (instance: number, key: string) => void) {
  return app({ views: [boardOf('shared', ran), boardOf('connection', ran)] });
}
