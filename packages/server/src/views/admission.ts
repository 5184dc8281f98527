import { createHash } from 'node:crypto';
import type { ViewDefinition } from '@holdfast/engine/view';
import { isRefusal, RejectedError } from '@holdfast/protocol';
import { readViewJoin, rootIdOf, type ViewFault, type ViewJoin } from '@holdfast/protocol/views';
import type { Principal } from '../access/index.ts';
import { inTime } from '../storage/in-time.ts';
import { canonical, canonicalJson, isShallow } from './canonical.ts';
import type { CommandRate } from './command-rate.ts';
import type { Soon } from './env.ts';
import { passGate, type Passed } from './gate.ts';
import type { KeptRoots } from './kept-roots.ts';
import type { ViewsRoom } from './room.ts';
import type { ViewSeat } from './seat.ts';
import type { UploadBudget } from './uploads/budget.ts';

/** Who wants to join a root, and from where. */
export type Joining = {
  readonly topic: string;
  readonly payload: unknown;
  readonly principal: Principal;
  /** Of the connection's params; 0: none was given. */
  readonly capver: number;
  /** How many roots the connection has. */
  readonly roots: number;
  readonly rate: CommandRate;
  readonly budget: UploadBudget;
  readonly kept: KeptRoots;
  readonly seat: ViewSeat;
  /** Whether the client has gone meanwhile. */
  readonly abandoned: () => boolean;
};

/** A join that passed all checks but the mount. */
export type Admitted = {
  readonly joining: Joining;
  readonly request: ViewJoin;
  readonly view: ViewDefinition;
  readonly params: unknown;
  /** Stands for module, id and canonical params: who asks for the same shares an instance, if the view is shared. */
  readonly place: string;
  readonly capver4: boolean;
};

/** Whoever was asked about and is not there yet. */
type Coming = { readonly module: string; readonly id: string; isDoubted: boolean };

/** Nobody is let in now. */
export const unavailable: ViewFault = { reason: 'unavailable' };

/** Params that a view may have, or why not. */
export type PassedParams = { readonly value: unknown } | ViewFault;

/** Rows 1 to 9 of views.md §4.1: who may mount what. */
export class Admission {
  readonly #room: ViewsRoom;
  readonly #views: ReadonlyMap<string, ViewDefinition>;
  readonly #coming = new Map<Joining, Coming>();

  constructor(room: ViewsRoom, views: readonly ViewDefinition[]) {
    this.#room = room;
    this.#views = new Map(views.map((view) => [view.name, view]));
  }

  /** Looks at a join; what it is let into, or the response of the refusal. Nothing was mounted. */
  async admit(joining: Joining): Promise<Admitted | ViewFault> {
    const { topic, payload, principal, capver, roots } = joining;
    const barred = await this.#mayJoin(principal, payload);
    if (barred !== null) return barred;
    const request = readViewJoin(payload, topic);
    if (isRefusal(request)) return request.toResponse();
    const view = this.#views.get(request.module);
    if (view === undefined) return { reason: 'unknown root' };
    if (roots >= this.#room.viewLimits.roots) return { reason: 'over_capacity' };
    const passed = await this.passParams(view, request.params);
    if ('reason' in passed) return passed;
    const params = passed.value;
    const { module, id } = request;
    this.#coming.set(joining, { module, id, isDoubted: false });
    const fault = await this.authorize(view, { principal, params, id });
    if (fault !== null) return fault;
    const place = placeOf(request, params, request.params);
    const capver4 = (request.capver ?? capver) >= 4;
    return { joining, request, view, params, place, capver4 };
  }

  /** A join has come to its end, whatever that is. */
  ended(joining: Joining): void {
    this.#coming.delete(joining);
  }

  /** From now on, what was said of those who come to a root, or to each of a view, may be otherwise. */
  doubt(module: string, id: string | null): void {
    for (const coming of this.#coming.values()) {
      if (coming.module === module && (id ?? coming.id) === coming.id) coming.isDoubted = true;
    }
  }

  /** Why an admitted client does not come after all; null: it does. A recheck finds none of those who are on their way. */
  confirm(admitted: Admitted): Soon<ViewFault | null> {
    const coming = this.#coming.get(admitted.joining);
    if (coming?.isDoubted === true) {
      coming.isDoubted = false;
      return this.#askAgain(admitted);
    }
    return admitted.joining.abandoned() ? unavailable : null;
  }

  async #askAgain(admitted: Admitted): Promise<ViewFault | null> {
    const { joining, view, params, request } = admitted;
    const who = { principal: joining.principal, params, id: request.id };
    return (await this.authorize(view, who)) ?? this.confirm(admitted);
  }

  async #mayJoin(principal: Principal, payload: unknown): Promise<ViewFault | null> {
    const { onJoin } = this.#room;
    if (onJoin === null) return null;
    try {
      const isLetIn = await this.#inTime('onJoin', undefined, () => onJoin(principal, payload));
      return isLetIn ? null : { reason: 'unauthorized' };
    } catch (error) {
      if (error instanceof Late) return this.#failed('onJoin', error);
      if (!(error instanceof RejectedError)) this.#room.report('onJoin failed', error);
      return { reason: 'unauthorized' };
    }
  }

  /** Passes params through the schema of a view, which may take as long as a mount. */
  passParams(view: ViewDefinition, given: unknown): Soon<PassedParams> {
    const { name, mountTimeout, params } = view;
    // Strangers send it: what would be too deep for the stack is not looked at.
    if (!isShallow(given)) return judged({ issues: [{ path: [], message: 'nested too deeply' }] });
    const passing = passGate(params, given);
    if (!(passing instanceof Promise)) return judged(passing);
    return this.#inTime('params', mountTimeout, () => passing).then(judged, (error: unknown) =>
      this.#failed(`params of ${name}`, error),
    );
  }

  /** Why somebody may not mount a view; null: they may. */
  async authorize(
    view: ViewDefinition,
    who: { readonly principal: unknown; readonly params: unknown; readonly id: string },
  ): Promise<ViewFault | null> {
    const { name, mountTimeout } = view;
    if (view.authorize === undefined) return null;
    const ask = (signal: AbortSignal): unknown => view.authorize?.({ ...who, signal });
    try {
      const isLetIn = await this.#inTime('authorize', mountTimeout, ask);
      return isLetIn ? null : { reason: 'unauthorized' };
    } catch (error) {
      if (error instanceof RejectedError) return { reason: 'unauthorized' };
      return this.#failed(`authorize of ${name}`, error);
    }
  }

  #failed(what: string, error: unknown): ViewFault {
    const id = this.#room.newId();
    this.#room.report(`${what} failed (${id})`, error);
    return { reason: 'internal error', id };
  }

  /** Waits for application code as long as for a mount: who hangs keeps nobody waiting for ever. */
  #inTime<T>(
    what: string,
    ms: number | undefined,
    ask: (signal: AbortSignal) => Soon<T>,
  ): Promise<T> {
    const { clock, viewLimits } = this.#room;
    const late = (): Error => new Late(`${what} took too long`);
    return inTime(clock, ask, { ms: ms ?? viewLimits.mount_ms, late });
  }
}

function judged(passed: Passed): PassedParams {
  return 'value' in passed ? passed : { reason: 'invalid_params', issues: passed.issues };
}

/** Application code has not answered in its time. */
class Late extends Error {
  override readonly name = 'Late';
}

/** Stands for module, id and canonical params, however long those are; `given`: what the params were made of. */
export function placeOf(
  { module, id }: Pick<ViewJoin, 'module' | 'id'>,
  params: unknown,
  given: unknown,
): string {
  // What is no JSON has no text that tells it from all others: then what it was made of is its name.
  const which = canonicalJson(params) ?? `of ${canonical(given)}`;
  return createHash('sha256')
    .update(JSON.stringify([module, id, which]))
    .digest('base64url');
}

/** The ok reply to a join (views.md §4.1, §4.2). */
export function welcome(
  { request, capver4 }: Admitted,
  of: {
    readonly version: number;
    readonly resumed: boolean;
    readonly token: string | null;
    readonly resend: boolean;
  },
): object {
  const root = { root_id: rootIdOf(request.module, request.id) };
  if (!capver4) return root;
  const { version, token, resumed, resend } = of;
  return {
    ...root,
    capver: 4,
    version,
    ...(token !== null && { instance: token, resumed, resend }),
  };
}
