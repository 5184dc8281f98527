import type { Path, Request } from '@holdfast/protocol';

/** The writes of a request, whatever its kind. */
export function writesOf(
  request: Request,
): readonly { readonly op: string; readonly path: Path }[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** Whether a request writes at, above or below a path. */
export function touches(request: Request, path: Path): boolean {
  return writesOf(request).some(
    (each) =>
      each.path === path || each.path.startsWith(`${path}/`) || path.startsWith(`${each.path}/`),
  );
}

/** How many own unanswered requests touch an object. */
export function pendingAt(path: Path, outbox: readonly { readonly request: Request }[]): number {
  return outbox.filter(({ request }) => touches(request, path)).length;
}
