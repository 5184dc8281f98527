import type { Principal } from '@holdfast/server';
import { asPath, type Path } from '@holdfast/protocol';
import type { Payload, Peer, Reply } from '../conversation/peer.ts';
import { everything, topic, type World } from '../conversation/world.ts';

let ids = 0;

/** Pushes one write, under an id of its own. */
export function write(peer: Peer, op: object): Promise<Reply> {
  ids += 1;
  return peer.ask(topic, 'write', { client_op_id: `op${ids}`, ...op });
}

/** Pushes a transaction. */
export function transact(peer: Peer, ops: readonly object[], more: object = {}): Promise<Reply> {
  ids += 1;
  return peer.ask(topic, 'transact', { client_op_id: `op${ids}`, ops, ...more });
}

/** Asks a route of the store. */
export async function http(
  { url }: Pick<World, 'url'>,
  method: string,
  path: string,
  {
    body,
    lines,
    token = 'dev',
  }: { readonly body?: unknown; readonly lines?: string; readonly token?: string } = {},
): Promise<{ readonly status: number; readonly json: Payload }> {
  const type = lines === undefined ? 'application/json' : 'application/x-ndjson';
  const text = lines ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${url}/api/stores/demo/main/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(text !== undefined && { 'content-type': type }),
    },
    ...(text !== undefined && { body: text }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    json: JSON.parse(answer.startsWith('{') ? answer : '{}') as Payload,
  };
}

/** The head of the store, as a channel says it. */
export async function headOf(peer: Peer): Promise<unknown> {
  return (await peer.ask(topic, 'status', {})).response['current_seq'];
}

/** A principal of no issued token, so that rules of records are for it. */
export function person(subject: string | null, more: Partial<Principal> = {}): Principal {
  const scopes = new Set(['entries:read', 'entries:write'] as const);
  return { ...everything, subject, scopes, ...more };
}

/** A path in a test. */
export const at = (path: string): Path => asPath(path);

/** A promise, and what resolves it. */
export function gateway(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const resolvers: (() => void)[] = [];
  const promise = new Promise<void>((resolve) => resolvers.push(resolve));
  return { promise, resolve: () => resolvers.forEach((each) => each()) };
}
