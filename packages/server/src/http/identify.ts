import type { Scope as PathScope, Tree } from '@holdfast/engine/data';
import { type Pattern, refuse } from '@holdfast/protocol';
import type { Context } from 'hono';

import {
  type Charge,
  type Credentials,
  grantsOf,
  isDeviceId,
  type Principal,
  type RateStanding,
  refuseScope,
  type Scope,
} from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { invalidParam, type Problem, refused } from './errors.ts';

const RETRY_MS = 1000;

/** Somebody for whom the server asks itself: an agent's tools go by the routes (stores.md §19.1). */
export type Caller = {
  readonly principal: Principal;
  readonly credentials: Credentials;
  /** The device of what it writes. */
  readonly deviceId: string;
};

/** By the requests that were made for them; those of strangers are never among them. */
const callers = new WeakMap<Request, Caller>();

/** Marks a request as one that the server makes for somebody it has identified. */
export function vouch(request: Request, caller: Caller): Request {
  callers.set(request, caller);
  return request;
}

/** Who asks; checked afresh at each request (stores.md §11.3). */
export async function identify(deps: HttpDeps, c: Context): Promise<Principal> {
  const principal = callers.get(c.req.raw)?.principal ?? (await authenticate(deps, c));
  if (isRead(c)) chargeRead(c, deps.rates.read(principal));
  // What is refused before it is charged is told too.
  else tellRate(c, deps.rates.writes(principal));
  return principal;
}

async function authenticate(deps: HttpDeps, c: Context): Promise<Principal> {
  const looking = deps.access.authenticate(credentialsOf(c));
  const principal = await looking.catch((error: unknown) => uncheckable(deps, error));
  if (principal === null) throw refused(refuse('unauthorized'));
  return principal;
}

/** The token is not known to be bad: the same may pass later. */
function uncheckable(deps: HttpDeps, error: unknown): never {
  deps.onFailure(error);
  throw putOff();
}

/**
 * The device that HTTP ops carry (stores.md §15.1.4). Who writes by a socket as well names its own: then a write that was sent
 * the one way, and is sent again the other, happens once.
 */
export function deviceOf(c: Context, { tokenId, subject }: Principal): string {
  const known = callers.get(c.req.raw)?.deviceId;
  if (known !== undefined) return known;
  const named = c.req.header('holdfast-device');
  if (named !== undefined) {
    if (isDeviceId(named)) return named;
    throw invalidParam('Holdfast-Device has 1 to 128 bytes, and no reserved prefix.');
  }
  return tokenId === null ? `web:${subject ?? 'anonymous'}` : `http:${tokenId}`;
}

/** What a request says of who asks. */
export function credentialsOf(c: Context): Credentials {
  const known = callers.get(c.req.raw)?.credentials;
  if (known !== undefined) return known;
  return {
    token: bearerOf(c.req.header('authorization')),
    params: paramsOf(c),
    headers: c.req.header(),
  };
}

/** What the URL says, and what a client says that would say it in the URL of its socket. */
function paramsOf(c: Context): URLSearchParams {
  const { searchParams } = new URL(c.req.url);
  return new URLSearchParams([
    ...searchParams,
    ...new URLSearchParams(c.req.header('holdfast-params') ?? ''),
  ]);
}

/** Ends the request unless the principal has the scope. */
export function needScope(principal: Principal, scope: Scope): void {
  const refusal = refuseScope(principal, scope);
  if (refusal !== null) throw refused(refusal);
}

function bearerOf(header: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? null;
}

/** The leaves that the principal may read by its path rules (stores.md §11.2). */
export function readable(principal: Principal): PathScope {
  return grantsOf(principal.pathRules ?? null).read;
}

/** Whether records may hide something of a store from the principal, or of what a pattern covers. */
export function mayHide(
  { veilOf }: Pick<HttpDeps, 'veilOf'>,
  { principal, row, pattern }: { principal: Principal; row: StoreRow; pattern: Pattern | null },
): boolean {
  // It does not look at values.
  const veil = veilOf?.(principal, { row, valueAt: () => undefined }) ?? null;
  return veil !== null && (pattern === null || veil.mayHide(pattern));
}

/** Of those, the leaves of a store that its records do not hide from the principal (records.md §17). */
export function readableIn(
  { veilOf }: Pick<HttpDeps, 'veilOf'>,
  principal: Principal,
  store: Pick<OpenStore, 'row' | 'valueAt'>,
): PathScope {
  const veil = veilOf?.(principal, store) ?? null;
  const byRules = readable(principal);
  return veil === null ? byRules : byRules.under(veil);
}

/** What may be read of a state that was: what was not hidden in it, nor is now where the object still stands. */
export function readableThen(
  deps: Pick<HttpDeps, 'veilOf'>,
  principal: Principal,
  { store, past }: { readonly store: OpenStore; readonly past: Tree },
): PathScope {
  const { row } = store;
  const valueThen: OpenStore['valueAt'] = (path) => past.read(path)?.value;
  const scope = readableIn(deps, principal, { row, valueAt: valueThen });
  const valueNow: OpenStore['valueAt'] = (path) => store.valueAt(path) ?? valueThen(path);
  const veil = deps.veilOf?.(principal, { row, valueAt: valueNow }) ?? null;
  return veil === null ? scope : scope.under(veil);
}

/** Reads are charged where it becomes known who asks (stores.md §12.2). */
function isRead({ req }: Context): boolean {
  const isBatch = req.method === 'POST' && req.path.endsWith('/entries/batch');
  return isBatch || req.method === 'GET' || req.method === 'HEAD';
}

function chargeRead(c: Context, { refusal, standing }: Charge): void {
  tellRate(c, standing);
  if (refusal !== null) throw refused(refusal);
}

/** Charges what changes something without a commit that would be charged; ends the request where that is too much (stores.md §12.2). */
export function chargeWrite(deps: HttpDeps, c: Context, principal: Principal): void {
  const refusal = deps.rates.write(principal, 1)();
  tellRate(c, deps.rates.writes(principal));
  if (refusal !== null) throw refused(refusal);
}

/** Takes back what {@link chargeWrite} charged, for what was done before. */
export function unchargeWrite(deps: HttpDeps, c: Context, principal: Principal): void {
  deps.rates.repeated(principal);
  tellRate(c, deps.rates.writes(principal));
}

/** Where the bucket stands that a request drew from: told with the answer, whatever it is. */
const standings = new WeakMap<Request, RateStanding>();

/** Notes where the bucket stands. */
export function tellRate(c: Context, standing: RateStanding | null): void {
  if (standing !== null) standings.set(c.req.raw, standing);
}

/** Writes what {@link tellRate} noted (stores.md §12.2). */
export function addRate(c: Context): void {
  const standing = standings.get(c.req.raw);
  if (standing === undefined) return;
  c.res.headers.set('X-RateLimit-Limit', String(standing.limit));
  c.res.headers.set('X-RateLimit-Remaining', String(standing.remaining));
  c.res.headers.set('X-RateLimit-Reset', String(Math.ceil(standing.resetMs / 1000)));
}

/** Whether a request that takes long is still its principal's to make (stores.md §11.3); rejects where nobody can be asked. */
export function stillValid(deps: HttpDeps, c: Context, principal: Principal): Promise<boolean> {
  const looking = deps.access.grantsStill(credentialsOf(c), principal);
  return looking.catch((error: unknown) => uncheckable(deps, error));
}

/** Why a request that goes on is to end, its principal having been shut out; null: it has not, or nobody can be asked. */
export async function whyShutOut(
  deps: Pick<HttpDeps, 'access'>,
  c: Context,
  principal: Principal,
): Promise<Problem | null> {
  const verdict = await deps.access.recheck(credentialsOf(c), principal).catch(() => 'valid');
  return verdict === 'valid' ? null : shutOut(verdict);
}

/** A token that grants something else by now is none that is to be given up: whoever asks again goes by the rights of then. */
function shutOut(verdict: string): Problem {
  return verdict === 'changed' ? putOff() : refused(refuse('unauthorized'));
}

/** The same may pass later. */
export function putOff(): Problem {
  return refused(refuse('unavailable', { retry_after_ms: RETRY_MS }));
}

/** Who is told of a store, for as long as both are there. */
export type Allowed = {
  readonly deps: Pick<HttpDeps, 'access' | 'storage'>;
  readonly principal: Principal;
  readonly row: Pick<StoreRow, 'id'>;
};

/** Why an answer about a store that goes on is to end: its principal has been shut out, or the store has been purged. */
export async function whyEnded(
  c: Context,
  { deps, principal, row }: Allowed,
): Promise<Problem | null> {
  const why = await whyShutOut(deps, c, principal);
  if (why !== null) return why;
  const found = await deps.storage.stores.get(row.id).catch(() => undefined);
  return found === null ? refused(refuse('unauthorized')) : null;
}

/** Ends a request that has taken long unless it is still its principal's to make (stores.md §11.3). */
export async function needValid(deps: HttpDeps, c: Context, principal: Principal): Promise<void> {
  const looking = deps.access.recheck(credentialsOf(c), principal);
  const verdict = await looking.catch((error: unknown) => uncheckable(deps, error));
  if (verdict !== 'valid') throw shutOut(verdict);
}
