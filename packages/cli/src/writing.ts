import type { Receipt, Store } from '@holdfast/client';
import { type Surroundings } from './command.ts';
import { endpointOf } from './endpoint.ts';
import { misuse } from './failure.ts';
import { printable } from './output.ts';
import { commitOnce } from './session.ts';
import { readStoreName } from './store-name.ts';
import { readInteger } from './values.ts';

/** The path that a write is to. */
export const pathArg = {
  type: 'positional',
  description: 'The path, such as users/ann (in a segment, ~1 is a slash and ~0 a tilde)',
} as const;

/** The fence that every write takes. */
export const fenceArg = {
  fence: {
    type: 'string',
    valueHint: 'KEY:TOKEN',
    description: 'Only while this lease is held',
  },
} as const;

/** The guard of `put` and `delete`. */
export const matchArg = {
  'if-match': {
    type: 'string',
    valueHint: 'REVISION',
    description: 'Only if the path has this revision',
  },
} as const;

type WriteArgs = {
  readonly store: string;
  readonly path: string;
  readonly url: string | undefined;
  readonly token: string | undefined;
  readonly timeout: string;
};

/** Writes to a path and tells what came of it. */
export async function commitWrite(
  op: string,
  args: WriteArgs,
  around: Surroundings & { readonly write: (store: Store) => Receipt },
): Promise<void> {
  const { output, terminal, write } = around;
  const name = readStoreName(args.store);
  const { seq } = await commitOnce(endpointOf(args, terminal), { name, output }, write);
  output.record(
    { op, path: args.path, seq },
    (paint) => `${paint.green('✓')} ${op} ${printable(args.path)} ${paint.dim(`seq ${seq}`)}`,
  );
}

/** The fence of a write; nothing where there is none. */
export function readFence(text: string | undefined): { fence?: { key: string; token: number } } {
  if (text === undefined) return {};
  const at = text.lastIndexOf(':');
  if (at < 1) throw misuse(`--fence must be KEY:TOKEN, such as jobs/nightly:42, not "${text}".`);
  return { fence: { key: text.slice(0, at), token: readInteger(text.slice(at + 1), '--fence') } };
}

/** The expected revision; nothing where none is given. */
export function readMatch(text: string | undefined): { ifMatch?: number } {
  return text === undefined ? {} : { ifMatch: readInteger(text, '--if-match') };
}
