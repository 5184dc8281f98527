import { type Client, createClient } from '@holdfast/client';
import { presence, presences } from '@holdfast/client/presence';
import { type ProxyOf, type SnapshotOf, views } from '@holdfast/client/views';
import { createHoldfast } from '@holdfast/react';
import { z } from 'zod/mini';
// A type, and no code: nothing of the server gets into the page.
import type { Chat } from '../server/chat.ts';

/** Makes the client of the page; the cookie says who it is. */
export function connect(): Client<Chat> {
  return createClient<Chat>({
    url: location.origin,
    token: null,
    views: views(),
    presences: presences(),
  });
}

/** The hooks, which know the views of the chat. */
export const {
  HoldfastProvider,
  useClient,
  useConnectionStatus,
  useErrorReset,
  usePresence,
  useSnapshot,
  useUpload,
  useView,
} = createHoldfast<Chat>();

/** Who is in a room, and who is typing. */
export const Present = presence({
  name: 'present',
  store: 'team/chat',
  topic: 'rooms/:room',
  schema: z.object({ isTyping: z.boolean() }),
});

/** What the page shows of a room in its list. */
export type RoomLine = SnapshotOf<Chat, 'Lobby'>['rooms'][number];

/** A message as it is shown. */
export type Message = SnapshotOf<Chat, 'Room'>['messages'][number];

/** A room and the lobby, as they are read and told to do something. */
export type RoomView = ProxyOf<Chat, 'Room'>;
export type LobbyView = ProxyOf<Chat, 'Lobby'>;
