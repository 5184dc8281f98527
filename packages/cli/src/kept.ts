import { existsSync } from 'node:fs';
import {
  type Client,
  createClient,
  type DeadLetter,
  HoldfastError,
  type Link,
  type Store,
} from '@holdfast/client';
import { inspect, type KeptOutbox, type KeptWrite } from '@holdfast/client/cache/inspect';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { Failure, misuse } from './failure.ts';
import { tellFaults } from './faults.ts';
import { aborted } from './interrupt.ts';
import type { Output } from './output.ts';

/** The cache of an application, as an argument. */
export const cacheArg = {
  type: 'positional',
  description: 'The SQLite file in which an application keeps its writes',
  valueHint: 'FILE',
} as const;

/** A write of a cache, as commands show it. */
export type ShownWrite = {
  readonly store: string;
  readonly op_id: string;
  /** `dead`: it was refused, or nobody can know, and somebody has to decide. */
  readonly state: 'waiting' | 'sent' | 'dead';
  readonly op: string | null;
  readonly path: string | null;
  readonly reason: string | null;
  readonly made: string;
};

/** What a cache file holds of writes, store by store. */
export function outboxesIn(file: string): readonly KeptOutbox[] {
  if (!existsSync(file)) throw misuse(`There is no file ${file}.`);
  try {
    return inspect(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw misuse(`${file} is not the cache of a client (${why}).`);
  }
}

/** All writes of them, waiting ones first. */
export function writesOf({ store, writes, deadLetters }: KeptOutbox): readonly ShownWrite[] {
  return [
    ...writes.map((write) => {
      const state = write.firstSentAt === null ? 'waiting' : 'sent';
      return { store, ...about(write), state, reason: null } as const;
    }),
    ...deadLetters.map((letter) => {
      const { code: reason } = letter.refusal;
      return { store, ...about(letter), state: 'dead', reason } as const;
    }),
  ];
}

type About = Pick<ShownWrite, 'op_id' | 'op' | 'path' | 'made'>;

function about({ opId, request, createdAt }: KeptWrite | DeadLetter): About {
  return {
    op_id: opId,
    op: request?.op ?? null,
    path: request !== null && 'path' in request ? request.path : null,
    made: new Date(createdAt).toISOString(),
  };
}

/** Of which outbox a write is. */
export function outboxWith(file: string, opId: string): KeptOutbox {
  const found = outboxesIn(file).find((outbox) =>
    writesOf(outbox).some(({ op_id: id }) => id === opId),
  );
  if (found !== undefined) return found;
  throw new Failure('not_found', `There is no write ${opId} in ${file}.`, {
    hint: `"holdfast outbox ${file}" lists them.`,
  });
}

/** Takes the place of the application for as long as `use` runs; without a token nothing is sent. */
export async function withCache<T>(
  file: string,
  { url, principal }: Pick<KeptOutbox, 'url' | 'principal'>,
  how: {
    readonly token: string | null;
    readonly output: Output;
    readonly use: (client: Client) => Promise<T>;
  },
): Promise<T> {
  const { token, output, use } = how;
  const lost = new AbortController();
  const tell = tellFaults(output);
  const client = createClient({
    url,
    principal,
    onError: (error) => {
      if (isLost(error)) lost.abort(cannotBeUsed(file, error));
      else tell(error);
    },
    token: token ?? 'none',
    cache: sqlite(file),
    ...(token === null && { link: nowhere }),
  });
  const broken = aborted(lost.signal).then(() => Promise.reject(lost.signal.reason));
  try {
    return await Promise.race([use(client), broken]);
  } finally {
    await client.close();
    // Nor is anything said to be done that was not stored.
    lost.signal.throwIfAborted();
  }
}

/** Whether a client says that it goes on without its cache, which here is all there is. */
function isLost(error: unknown): error is HoldfastError {
  if (!(error instanceof HoldfastError)) return false;
  const { code, details } = error;
  return code === 'cache_failed' ? details['kept'] !== true : details['step'] === 'cache';
}

function cannotBeUsed(file: string, error: HoldfastError): Failure {
  return new Failure('usage', `${file} cannot be written to: ${error.message}`, {
    code: error.code,
    hint: 'It has to be yours, with room on its disk, and no other program at work with it.',
  });
}

/** Resolves when a store has read its cache, where the write is. */
export function hasRead(store: Store, opId: string): Promise<void> {
  const { outbox } = store;
  const isThere = (): boolean =>
    [...outbox.list(), ...outbox.deadLetters()].some((write) => write.opId === opId);
  return new Promise((resolve) => {
    const look = (): void => {
      if (!isThere()) return;
      stop();
      resolve();
    };
    const stop = outbox.subscribe(look);
    look();
  });
}

/** Leads to no server. */
const nowhere: Link = {
  open: (_url, events) => {
    setImmediate(() => events.closed(1006));
    return { send: () => undefined, close: () => undefined };
  },
};
