import { isObject, type JsonObject } from '../../json.ts';
import { type Refusal, refuse } from '../../refusals.ts';
import { invalidField, isCount, isString, isText } from '../../shape.ts';
import { isNodeId, type NodeId } from './tree.ts';

/** The topic of one root (views.md §3). */
export function viewTopic(rootId: string): string {
  return `musubi:connection:${rootId}`;
}

/**
 * The topic of one root of one of several peers that share a connection, as tabs do: what each has mounted is its own.
 * Beside those of views.md §3; whoever knows no such topics refuses the join.
 */
export function peerViewTopic(peer: string, rootId: string): string {
  return `musubi:peer:${peer}:${rootId}`;
}

const rootTopic = /^musubi:(?:connection|peer:[\w-]{1,64}):(.*)$/su;

/** The root that a topic is of; null: it is of none. */
export function rootOfTopic(topic: string): string | null {
  return rootTopic.exec(topic)?.[1] ?? null;
}

/** The topic of one file that is sent by the socket. */
export function uploadTopic(entryRef: string): string {
  return `musubi_upload:${entryRef}`;
}

/** The wire identity of a root. */
export function rootIdOf(module: string, id: string): string {
  return `${module}:${id}`;
}

const moduleName = /^[A-Za-z0-9._-]{1,200}$/;
const idBytesMax = 512;

/** Whether a view may have this name (views.md §3). */
export function isModuleName(name: string): boolean {
  return moduleName.test(name);
}

/** What a client says that has been here before; `instance` null: it would like to be able to say so (views.md §4.3). */
export type ResumeClaim = { readonly instance: string | null; readonly version: number };

/** The payload of a root's join (views.md §4.1). */
export type ViewJoin = {
  readonly module: string;
  readonly id: string;
  readonly params: JsonObject;
  /** Null: the connection's own counts, or none. */
  readonly capver: number | null;
  readonly resume: ResumeClaim | null;
};

/** Reads the payload of a root's join: rows 2 to 5 of views.md §4.1, in their order. */
export function readViewJoin(payload: unknown, topic: string): ViewJoin | Refusal {
  const { module, id, params = {}, capver, resume, peer } = isObject(payload) ? payload : noFields;
  if (!isString(module) || module === '') return refuse('missing required field');
  if (!isText(id, idBytesMax) || id === '') return refuse('missing root id');
  if (!isObject(params)) return refuse('params must be a map');
  const rootId = rootIdOf(module, id);
  const own = isString(peer) ? peerViewTopic(peer, rootId) : viewTopic(rootId);
  // A peer that is named otherwise than topics name it could take a topic that is another's.
  if (topic !== own || rootOfTopic(topic) !== rootId) return refuse('unauthorized');
  return {
    module,
    id,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded, hence JSON
    params: params as JsonObject,
    capver: isCount(capver) ? capver : null,
    resume: readResume(resume),
  };
}

// As one variable, so that a field read from nothing is undefined.
const noFields: { readonly [field: string]: unknown } = {};

// What cannot be read opts in all the same: it is a first join.
function readResume(resume: unknown): ResumeClaim | null {
  if (!isObject(resume)) return null;
  const { instance, version } = resume;
  return isString(instance) && isCount(version)
    ? { instance, version }
    : { instance: null, version: 0 };
}

/** The ok reply to a root's join; a Musubi server gives `root_id` alone (views.md §4.2). */
export type ViewJoinReply = {
  readonly root_id: string;
  /** 0: not given. */
  readonly capver: number;
  readonly version: number;
  readonly instance: string | null;
  readonly resumed: boolean;
  readonly resend: boolean;
};

/** Reads the ok reply to a root's join; null: it is none. */
export function readViewJoinReply(response: unknown): ViewJoinReply | null {
  if (!isObject(response) || !isString(response['root_id'])) return null;
  const { root_id: root, capver, version, instance, resumed, resend } = response;
  return {
    root_id: root,
    capver: isCount(capver) ? capver : 0,
    version: isCount(version) ? version : 0,
    instance: isString(instance) ? instance : null,
    resumed: resumed === true,
    resend: resend === true,
  };
}

/** The payload of `command` (views.md §7.1). */
export type ViewCommand = {
  readonly store_id: NodeId;
  readonly name: string;
  readonly payload: unknown;
  readonly client_op_id: string | null;
};

/** Reads the payload of `command`. */
export function readViewCommand(payload: unknown): ViewCommand | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { store_id: id = [], name, payload: input = {}, client_op_id: opId = null } = payload;
  if (!isString(name) || name === '') return refuse('missing required field');
  if (!isNodeId(id)) return refuse('unknown store');
  if (opId !== null && !isOpId(opId)) return invalidField('client_op_id');
  return { store_id: id, name, payload: input, client_op_id: opId };
}

function isOpId(id: unknown): id is string {
  return isString(id) && id.length >= 1 && id.length <= 64;
}

/** Reads the payload of `params` (views.md §4.6). */
export function readParamsChange(payload: unknown): JsonObject | Refusal {
  const params = isObject(payload) ? payload['params'] : null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded, hence JSON
  return isObject(params) ? (params as JsonObject) : refuse('params must be a map');
}

/** Whether a leave asks that the instance be kept for a resume (views.md §3). */
export function isKeptLeave(payload: unknown): boolean {
  return isObject(payload) && payload['keep'] === true;
}

/** What a schema has against a value: where, and why. */
export type ViewIssue = { readonly path: readonly (string | number)[]; readonly message: string };

/** The response of an error reply on a view's channel; clients take any reason (views.md §4.1, §7.1). */
export type ViewFault = {
  readonly reason: string;
  readonly issues?: readonly ViewIssue[];
  readonly data?: unknown;
  readonly id?: string;
  readonly retry_after_ms?: number;
};

/** Reads the response of an error reply: its code is the first text among `code`, `error` and `reason` (views.md §12.7). */
export function faultCodeOf(response: unknown): string | null {
  const { code, error, reason } = isObject(response) ? response : noFields;
  return [code, error, reason].find(isString) ?? null;
}

/** The ok or error reply of a channel, with the version that capver 4 servers add beside (views.md §4.2). */
export type ViewReply = {
  readonly status: 'ok' | 'error';
  readonly response: JsonObject;
  readonly version: number | null;
};

/** Reads the payload of a `phx_reply` on a view's channel; null: it is none. */
export function readViewReply(payload: unknown): ViewReply | null {
  if (!isObject(payload)) return null;
  const { status, response, version } = payload;
  if ((status !== 'ok' && status !== 'error') || !isObject(response)) return null;
  return {
    status,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded, hence JSON
    response: response as JsonObject,
    version: isCount(version) ? version : null,
  };
}
