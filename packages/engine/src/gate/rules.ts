import {
  isAncestor,
  isCode,
  isThenable,
  type Path,
  type RecordContext,
  type RecordDef,
  type RecordRef,
  type Refusal,
  refuse,
  refuseAs,
  RejectedError,
} from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import type { Proposal } from '../data/index.ts';

/** What a write rule is told that somebody wants: an op of the protocol, `mutate`, `rollback` or `import`. */
export type WriteIntent = {
  readonly op: string;
  /** null: the whole store. */
  readonly path: Path | null;
  readonly value?: unknown;
  /** Of a mutation. */
  readonly name?: string;
};

/** Whether somebody may write a record; `current` is what stands there. It may take its time (records.md §2.6). */
// oxlint-disable-next-line max-params -- as records.md §2 has it
export type WriteRule = (
  ctx: RecordContext,
  ref: RecordRef,
  intent: WriteIntent,
  current: unknown,
) => boolean | Promise<boolean>;

/** What of a request bears on an object, each op of a transaction by itself. */
export function intentsOn(request: Proposal['request'], object: Path): readonly WriteIntent[] {
  if (request.op === 'import') return [{ op: 'import', path: null }];
  if (request.op === 'rollback') return [{ op: 'rollback', path: request.path }];
  const writes = request.op === 'transact' ? request.ops : [request];
  return writes
    .filter(({ path }) => path === object || isAncestor(path, object) || isAncestor(object, path))
    .map((write) => {
      const { op, path } = write;
      const value = 'value' in write ? decodeStored(write.value) : undefined;
      return op === 'mutate' ? { op, path, value, name: write.name } : { op, path, value };
    });
}

/** Asks a rule; what is neither yes nor a promise of it is no. */
export function askRule(ask: () => unknown, no: Refusal): Refusal | null | Promise<Refusal | null> {
  try {
    const said = ask();
    if (!isThenable(said)) return said === true ? null : no;
    return Promise.resolve(said).then(
      (later: unknown) => (later === true ? null : no),
      (error: unknown) => refusalOf(error, no),
    );
  } catch (error) {
    return refusalOf(error, no);
  }
}

/** Code of the server says no by throwing (design.md, Errors); anything else that it throws is a failure of its own. */
function refusalOf(error: unknown, no: Refusal): Refusal {
  if (!(error instanceof RejectedError)) throw error;
  const { code, details, message } = error;
  return isCode(code) ? refuseAs(code, { message, ...details }) : no.with({ message });
}

/** The refusal of a write that the rule of a record does not let pass. */
export function notAllowed({ name }: Pick<RecordDef, 'name'>, path: Path): Refusal {
  const message = `The write rule of the record "${name}" does not allow this. Write something else, or sign in as somebody whom it lets.`;
  return refuse('path_not_allowed', { path, message });
}
