import { isReason, type Refusal, type RefusalDetails, refusals, refuse } from '@holdfast/protocol';

/** A request that ends with an error; thrown by routes, answered in one place (stores.md §15.1.1). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: RefusalDetails;

  constructor(status: number, code: string, details: RefusalDetails = {}) {
    super(code);
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/**
 * The problem that a refusal is over HTTP: reasons of status 403 travel beside `forbidden`. Codes of the application are in
 * no table: it says no because of what is there.
 */
export function refused(refusal: Refusal): Problem {
  const status = isReason(refusal.code) ? (refusals[refusal.code].http ?? 500) : 409;
  return status === 403
    ? new Problem(403, 'forbidden', { reason: refusal.code, ...refusal.details })
    : new Problem(status, refusal.code, refusal.details);
}

/** Unknown, or none of the caller's business: the two look the same (stores.md §11.1.5). */
export function notFound(): Problem {
  return new Problem(404, 'not_found');
}

/** The body is an object, but a field of it will not do. */
export function invalidField(field: string, detail: string): Problem {
  return new Problem(422, 'invalid_payload', { field, detail });
}

/** The answer to a problem. */
export function answerProblem({ status, code, details }: Problem): Response {
  const headers = new Headers();
  if (status === 401) headers.set('WWW-Authenticate', 'Bearer');
  if (status === 426) headers.set('Upgrade', 'websocket');
  // The rest of the body may never come.
  if (status === 408) headers.set('Connection', 'close');
  const wait = details['retry_after_ms'];
  if (typeof wait === 'number') headers.set('Retry-After', String(Math.ceil(wait / 1000)));
  // `invalid_pattern` names what is wrong with the pattern `error`, which is the code's own place here.
  const { error: detail, ...extras } = details;
  const body = { error: code, ...(detail !== undefined && { detail }), ...extras };
  return Response.json(body, { status, headers });
}

/** The same of a request for a commit, as the table of refusals has it. */
export function invalidBody(field: string, detail: string): Problem {
  return refused(refuse('invalid_payload', { field, detail }));
}

/** A query parameter is unknown, or its value will not do. */
export function invalidParam(detail: string): Problem {
  return new Problem(400, 'invalid_params', { detail });
}
