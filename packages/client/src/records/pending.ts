import type { Path, Request } from '@holdfast/protocol';

/** The writes of a request, whatever its kind. */
export function writesOf(
  request: Request,
): readonly { readonly op: string; readonly path: Path }[] {
  return request.op === 'transact' ? request.ops : [request];
}

/** How many own unanswered requests touch an object. */
export function pendingAt(path: Path, outbox: readonly { readonly request: Request }[]): number {
  const touches = (other: Path): boolean =>
    other === path || other.startsWith(`${path}/`) || path.startsWith(`${other}/`);
  return outbox.filter(({ request }) => writesOf(request).some((each) => touches(each.path)))
    .length;
}
