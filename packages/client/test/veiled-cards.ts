import type { Socket } from 'node:net';
import { collection, record } from '@holdfast/protocol';
import type { Server } from '@holdfast/server';
import { z } from 'zod';

/** Who sees the phone numbers of cards, which changes without a commit. */
export const friends: Set<string> = new Set();
/** The cards that nobody may read: so does that, where a test asks it. */
export const closed: Set<string> = new Set();

const shape = z.object({ name: z.string(), phone: z.string().optional() });
export type Shape = z.infer<typeof shape>;

export const Card = record({
  name: 'card',
  store: 'acme/cards',
  path: 'cards/:id',
  version: '1.0',
  schema: shape,
  visibility: { '*': () => true, phone: ({ principal }) => friends.has(principal.subject ?? '') },
});
export const all = collection(Card, { orderBy: 'name' });

/** The server's ends of the connections within the process, in the order in which they come. */
export function endsOf(server: Server): readonly Socket[] {
  const ends: Socket[] = [];
  const serve = server.serve.bind(server);
  server.serve = (connection) => {
    ends.push(connection);
    serve(connection);
  };
  return ends;
}
