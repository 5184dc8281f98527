import type { Path, Request, WriteReply } from '@holdfast/protocol';

/** The writes of a request, whatever its kind. */
export function writesOf(request: Request): readonly Extract<Request, { readonly path: Path }>[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** Whether one of two paths is at or below the other. */
export function isNear(one: Path, other: Path): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
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
