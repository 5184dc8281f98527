import type { Path, RecordDef, RecordRef, Request, WriteReply } from '@holdfast/protocol';
import { mergeMutation } from '@holdfast/engine/record';

/** The writes of a request, whatever its kind. */
export function writesOf(request: Request): readonly Extract<Request, { readonly path: Path }>[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** Whether one of two paths is at or below the other. */
export function isNear(one: Path, other: Path): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}

/** What says whose the fields of an object are, and who sees them. */
export type Mapped = Pick<RecordDef, 'authority' | 'visibility'>;

/**
 * Whether a write may be a `set`, which makes all of an object. Where not all fields are a client's that is a transaction of
 * one write of it (records.md §11.2). A patch is none, or guards fields; one that an application has put into a transaction
 * looks the same. A mutation of its own rests on what is there.
 */
export function makes(
  { authority, visibility }: Mapped,
  request: Request,
  { op, path, name }: { readonly op: string; readonly path: Path; readonly name?: string },
): boolean {
  if (op === 'set') return true;
  if ((authority ?? visibility) === null) return false;
  if (request.op !== 'transact' || (op !== 'merge' && name !== mergeMutation)) return false;
  return (
    request.ops.filter((each) => `${each.path}/`.startsWith(`${path}/`)).length === 1 &&
    request.preconditions.every(
      (each) =>
        each.kind === 'fence' ||
        !isNear(each.path, path) ||
        (each.kind === 'if_absent' && each.path === path),
    )
  );
}

/** Whether one of these requests makes all of an object, so that it can be shown though nothing is known of it. */
export function isMadeBy(
  waiting: readonly { readonly request: Request }[],
  { record, path }: { readonly record: Mapped; readonly path: Path },
): boolean {
  return waiting.some(({ request }) =>
    writesOf(request).some((each) => each.path === path && makes(record, request, each)),
  );
}

/** Whether one of these requests runs a mutation of an object that has fields of the server: what it makes of those is not shown. */
export function leavesOpen(
  { record, path }: RecordRef,
  waiting: readonly { readonly request: Request }[],
): boolean {
  return (
    record.authority !== null &&
    waiting
      .flatMap(({ request }) => writesOf(request))
      .some((each) => each.op === 'mutate' && each.path === path && each.name !== mergeMutation)
  );
}

type Result = { readonly store_seq: number; readonly noop?: boolean };

/** The seq that a committed request has given to what is at a path; null: it has changed nothing there. */
export function seqAt(path: Path, request: Request, reply: WriteReply): number | null {
  if (!('store_seq' in reply)) return null;
  const whole: Result = { store_seq: reply.store_seq };
  const results: readonly Result[] = 'results' in reply ? reply.results : [reply];
  const seqs = writesOf(request).flatMap((write, at) => {
    const { store_seq: seq, noop = false } = results[at] ?? whole;
    return noop || !isNear(write.path, path) ? [] : [seq];
  });
  return seqs.length === 0 ? null : Math.max(...seqs);
}
