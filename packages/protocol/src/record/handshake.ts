import { isObject } from '../json.ts';
import type { Envelope } from './envelope.ts';

/** What a client tells of a record that it holds, or wants (records.md §9). */
export type HandshakeRequest = {
  readonly key: string;
  readonly record: string;
  readonly params: { readonly [name: string]: string };
  readonly client_version: string;
  readonly incarnation?: string;
  readonly sequence?: number;
  readonly schema_version?: string;
  /** The opaque id of the viewer's projection. */
  readonly view?: string;
  /** What is held comes from a page: what shows that a server has rendered it so (§18). */
  readonly seed?: string;
};

/** What the server says of it. */
export type HandshakeAnswer = { readonly key: string; readonly view?: string } & (
  | { readonly type: 'current' }
  | { readonly type: 'snapshot'; readonly envelope: Envelope; readonly reset?: true }
  | { readonly type: 'skew'; readonly server_version: string; readonly envelope?: Envelope }
  | { readonly type: 'gone'; readonly incarnation: string; readonly sequence: number }
  | { readonly type: 'denied'; readonly reason: string }
);

/** Keys of one handshake (records.md §19). */
export const handshakeKeysMax = 500;

const types = ['current', 'snapshot', 'skew', 'gone', 'denied'];

/** Whether it is an answer, as far as its own members go: an envelope in it has yet to pass its gate. */
export function isHandshakeAnswer(value: unknown): value is HandshakeAnswer {
  if (!isObject(value)) return false;
  const { key, type, view, server_version: version, incarnation, sequence, reason } = value;
  if (typeof key !== 'string' || !types.some((each) => each === type)) return false;
  if (view !== undefined && typeof view !== 'string') return false;
  if (type === 'skew') return typeof version === 'string';
  if (type === 'gone') return typeof incarnation === 'string' && Number.isSafeInteger(sequence);
  return type !== 'denied' || typeof reason === 'string';
}
