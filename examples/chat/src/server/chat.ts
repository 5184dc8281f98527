import { holdfast, KEEP, RejectedError, stream, upload } from '@holdfast/server';
import { z } from 'zod';

/** The rooms that there are. */
export const rooms = [
  { id: 'general', about: 'What concerns everybody' },
  { id: 'design', about: 'How it looks, and how it feels' },
  { id: 'lunch', about: 'Where to, and when' },
] as const;

const RoomId = z.enum(rooms.map(({ id }) => id));
const Size = z.object({ width: z.int().positive(), height: z.int().positive() });

/** What somebody said. */
export type Message = {
  readonly id: string;
  /** Counts the messages of a room, from 1; 0: on its way to the server. */
  readonly number: number;
  readonly author: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
  /** The size of the picture that is at `pictures/<id>`. */
  readonly picture: z.infer<typeof Size> | null;
};

/** What the store of the chat holds, at its first level. */
type Store = {
  messages: { [room: string]: { [id: string]: Message } };
  /** How many messages there are. */
  counts: { [room: string]: number };
  /** Up to which number a person has read. */
  read: { [person: string]: { [room: string]: number } };
  /** Files. */
  pictures: { [id: string]: object };
};

const { view, app } = holdfast<{
  principal: { subject: string };
  stores: { 'team/chat': Store };
}>();

/** One room: the same instance for everybody in it. */
export const room = view({
  name: 'Room',
  scope: 'shared',
  params: z.object({ room: RoomId }),
  streams: { messages: stream<Message>({ limit: 200 }) },
  uploads: {
    picture: upload({
      accept: ['.png', '.jpg', '.jpeg', '.gif', '.webp'],
      maxEntries: 4,
      sniff: true,
    }),
  },
  mount: async (ctx) => {
    const store = ctx.store('team/chat');
    await store.ready;
    const messages = Object.values(store.get(['messages', ctx.params.room]) ?? {});
    ctx.stream('messages').reset(messages.toSorted((a, b) => a.number - b.number));
  },
  render: (_state, h) => ({ messages: h.stream('messages'), picture: h.upload('picture') }),
  commands: {
    /** Whoever sends a message gives it its id, so that it does no harm if it comes twice. */
    send: {
      input: z.object({
        id: z.uuid(),
        text: z.string().max(4000),
        /** The upload that goes with it. */
        picture: Size.extend({ ref: z.string() }).nullable(),
      }),
      run: async (ctx, { id, text, picture }) => {
        const store = ctx.store('team/chat');
        const at = ctx.params.room;
        const author = ctx.principal.subject;
        if (store.get(['messages', at, id]) !== undefined) return;
        if (picture !== null && store.get(['pictures', id]) === undefined) {
          const saved = await ctx.uploads.consume('picture', ({ ref }, file) =>
            ref === picture.ref ? file?.saveTo(store, ['pictures', id]) : KEEP,
          );
          if (saved.length === 0) throw new RejectedError('picture_missing');
        }
        const number = (store.get(['counts', at]) ?? 0) + 1;
        const size = picture && { width: picture.width, height: picture.height };
        const message: Message = { id, number, author, at: Date.now(), text, picture: size };
        await store.transact((tx) => {
          tx.put(['messages', at, id], message);
          tx.put(['counts', at], number);
          tx.put(['read', author, at], number);
        });
        ctx.stream('messages').insert(message);
      },
    },
  },
});

/** The list of rooms, with what is new in them to the one who looks. */
export const lobby = view({
  name: 'Lobby',
  render: (_state, _h, ctx) => {
    const store = ctx.store('team/chat');
    const counts = store.get('counts') ?? {};
    const read = store.get(['read', ctx.principal.subject]) ?? {};
    return {
      rooms: rooms.map(({ id, about }) => ({
        id,
        about,
        count: counts[id] ?? 0,
        read: read[id] ?? 0,
      })),
    };
  },
  commands: {
    /** All that is in a room has been read. */
    read: {
      input: z.object({ room: RoomId }),
      run: async (ctx, { room: at }) => {
        const store = ctx.store('team/chat');
        await store.put(['read', ctx.principal.subject, at], store.get(['counts', at]) ?? 0);
      },
    },
  },
});

/** The chat, as a server runs it. */
export const chat = app({ views: [room, lobby] });

/** The chat, as its page knows it. */
export type Chat = typeof chat;
