import { type Client, createClient } from '@holdfast/client';
import { type ProxyOf, type SnapshotOf, views } from '@holdfast/client/views';
import { createHoldfast } from '@holdfast/react';
// A type, and no code: nothing of the server gets into the page.
import type { Kanban } from '../server/board.ts';

/** Makes the client of the page. */
export function connect(): Client<Kanban> {
  return createClient<Kanban>({ url: location.origin, token: null, views: views() });
}

/** The hooks, which know the views of the board. */
export const {
  HoldfastProvider,
  useClient,
  useConnectionStatus,
  useErrorReset,
  useSnapshot,
  useView,
} = createHoldfast<Kanban>();

/** The board, as it is read and told to do something. */
export type BoardView = ProxyOf<Kanban, 'Board'>;

/** A column and a card as they are shown. */
export type Column = SnapshotOf<Kanban, 'Board'>['columns'][number];
export type Card = Column['cards'][number];
