import { HoldfastError } from '@holdfast/protocol';
import {
  type Envelope,
  type HandshakeAnswer,
  type HandshakeRequest,
  isHandshakeAnswer,
} from '@holdfast/protocol/record';
import type { Have, ReconcilerConfig, SyncTransport } from '@holdfast/engine/record';
import type { Followed } from './delivery.ts';

/** Where a snapshot of one record can be had, for transports that cannot be asked. */
export type Refetch = (
  key: string,
  options: {
    readonly signal: AbortSignal;
    readonly have?: { readonly incarnation: string | null; readonly sequence: number };
  },
) => Promise<Envelope | null>;

/** How records come by a transport. */
export type TransportDelivery = {
  /**
   * How own writes go: by HTTP, and without a socket as long as nothing needs one (records.md §8.1.6), or by the socket of the
   * client. A client that is made with a `link` has them go by that. Default: `http`.
   */
  readonly writes?: 'http' | 'socket';
  readonly transport: SyncTransport;
  /** Default: nobody is asked, where the transport has no handshake. */
  readonly refetch?: Refetch;
  /** What a record begins with, such as what a server rendered. */
  readonly seed?: (key: string) => Envelope | undefined;
};

/** What has failed within a transport, as an error of ours; one of another kind, such as a bus has, is its cause. */
export function transportFault(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  return new HoldfastError('transport_failed', { cause: error }, String(error));
}

/** What a question comes to. */
export type Told =
  | { readonly type: 'fetched'; readonly message: unknown }
  | { readonly type: 'answer'; readonly answer: HandshakeAnswer };

/** What is held is a page's, which something vouches for, or nothing. */
type FromPage = { readonly proof: string | null };

/** Whether somebody can be asked, and is asked at first: of what a page says, always. */
export function waysToAsk(
  { transport, refetch }: TransportDelivery,
  isFromPage: boolean,
): Pick<ReconcilerConfig, 'canAsk' | 'asksFirst' | 'asksAlone'> {
  const hasHandshake = transport.handshake !== undefined;
  return {
    canAsk: hasHandshake || refetch !== undefined,
    asksFirst: hasHandshake || (isFromPage && refetch !== undefined),
    asksAlone: !hasHandshake,
  };
}

/** Asks for what there is of a record: by a handshake where the transport has one, else by `refetch` (records.md §6.5). */
export async function askFor(
  ref: Followed,
  { transport, refetch }: { transport: SyncTransport; refetch?: Refetch },
  { have, signal, page }: { have: Have | null; signal: AbortSignal; page: FromPage | null },
): Promise<Told> {
  if (transport.handshake === undefined) {
    const options = have === null ? { signal } : { signal, have };
    return { type: 'fetched', message: (await refetch?.(ref.key, options)) ?? null };
  }
  const answers: readonly unknown[] = await transport.handshake([question(ref, have, page)], {
    signal,
  });
  const answer = answers.filter(isHandshakeAnswer).find(({ key }) => key === ref.key);
  if (answer !== undefined) return { type: 'answer', answer };
  throw new HoldfastError('unavailable', { key: ref.key });
}

function question(
  { key, params, record }: Followed,
  have: Have | null,
  page: FromPage | null,
): HandshakeRequest {
  const { proof } = page ?? {};
  // What nothing vouches for is nothing to go on from.
  const { incarnation = null, sequence, schemaVersion } = (proof === null ? null : have) ?? {};
  return {
    key,
    record: record.name,
    params: { ...params },
    client_version: record.version,
    ...(incarnation !== null && { incarnation }),
    ...(sequence !== undefined && { sequence }),
    ...(schemaVersion !== undefined && { schema_version: schemaVersion }),
    ...(typeof proof === 'string' && { seed: proof }),
  };
}
