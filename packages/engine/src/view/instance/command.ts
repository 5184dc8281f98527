import { type JsonObject, passSchema, RejectedError } from '@holdfast/protocol';
import {
  type ViewCommand,
  type ViewFault,
  type ViewIssue,
  viewLimits,
} from '@holdfast/protocol/views';
import { toWire } from '../../data/index.ts';
import type { ActionDefinition, Halt, ViewCall } from '../definition.ts';
import { Context } from './context.ts';
import { keyOf, type ViewNode } from './node.ts';
import type { Message, Scope } from './scope.ts';
import type { World } from './world.ts';

/** Ends a task with an answer that is nobody's failure. */
export class Answered extends Error {
  override readonly name = 'Answered';
  readonly response: ViewFault;

  constructor(response: ViewFault) {
    super(response.reason);
    this.response = response;
  }
}

/** The node that a command is for, and what runs it; the answer where there is none (views.md §7.1). */
export function findCommand(
  world: World,
  { store_id: id, name }: ViewCommand,
): { readonly node: ViewNode; readonly action: ActionDefinition } | ViewFault {
  const node = world.find(keyOf(id));
  if (node === null) return { reason: 'unknown store' };
  const { commands = {} } = node.view;
  const action = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return action === undefined ? { reason: 'unknown command' } : { node, action };
}

/** Runs a command from its gate to its reply, hooks and messages included (views.md §7, §11.1). */
export async function runCommand(
  world: World,
  of: { readonly node: ViewNode; readonly action: ActionDefinition; readonly command: ViewCommand },
  scope: Scope,
): Promise<JsonObject> {
  const { node, action, command } = of;
  const input = await passGate(action, command.payload, scope);
  const call = { name: command.name, payload: input, storeId: command.store_id };
  const halted = await runBefore(world, { node, call }, scope);
  if (halted !== null) {
    await runMessages(world, scope);
    return encoded(world, halted.reply ?? {});
  }
  const given = await action.run(contextOf(world, node, scope), input);
  await runMessages(world, scope);
  const reply = await passReply(action, given);
  await runAfter(world, { node, call, reply }, scope);
  await runMessages(world, scope);
  return encoded(world, reply);
}

/** Runs what the task has said to other nodes, each in its turn, and what those say in theirs. */
export async function runMessages(world: World, scope: Scope): Promise<void> {
  for (let message = take(scope); message !== undefined; message = take(scope)) {
    // oxlint-disable-next-line no-await-in-loop -- each sees what the one before has done
    await runMessage(world, message, scope);
  }
}

function take(scope: Scope): Message | undefined {
  return scope.phase === 'open' ? scope.messages.shift() : undefined;
}

async function runMessage(
  world: World,
  { node, name, payload }: Message,
  scope: Scope,
): Promise<void> {
  const action = node.view.messages?.[name];
  if (action === undefined || node.isEnded) return;
  // What it says was made by server code: where that does not pass, it is no client's fault.
  const passed =
    action.input === undefined ? { value: payload } : await passAny(action.input, payload);
  if ('issues' in passed) {
    const { message = '' } = passed.issues[0] ?? {};
    throw new TypeError(`The payload of the message "${name}" does not pass: ${message}.`);
  }
  await action.run(contextOf(world, node, scope), passed.value);
}

function contextOf(world: World, node: ViewNode, scope: Scope): Context {
  // A task that was cut off while it waited goes no further.
  if (scope.phase !== 'open') throw new Answered({ reason: 'timeout' });
  return new Context(world, { node, scope });
}

type Called = { readonly node: ViewNode; readonly call: ViewCall };

async function runBefore(world: World, { node, call }: Called, scope: Scope): Promise<Halt | null> {
  for (const { at, hooks } of hooksOf(node)) {
    // oxlint-disable-next-line no-await-in-loop -- each sees what the one before has done
    const result = await hooks.before?.(contextOf(world, at, scope), call);
    if (isHalt(result)) return result;
  }
  return null;
}

async function runAfter(
  world: World,
  { node, call, reply }: Called & { readonly reply: unknown },
  scope: Scope,
): Promise<void> {
  for (const { at, hooks } of hooksOf(node)) {
    // oxlint-disable-next-line no-await-in-loop -- each sees what the one before has done
    await hooks.after?.(contextOf(world, at, scope), call, reply);
  }
}

/** From the root down to the node. */
function hooksOf(
  node: ViewNode,
): { at: ViewNode; hooks: NonNullable<ViewNode['view']['use']>[number] }[] {
  const own = (node.view.use ?? []).map((hooks) => ({ at: node, hooks }));
  return node.parent === null ? own : [...hooksOf(node.parent), ...own];
}

function isHalt(result: unknown): result is Halt {
  return (
    typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'halt'
  );
}

async function passGate(
  action: ActionDefinition,
  payload: unknown,
  scope: Scope,
): Promise<unknown> {
  if (action.input === undefined) return payload;
  const passed = await passAny(action.input, payload);
  if ('issues' in passed) {
    throw new Answered({ reason: 'invalid_payload', issues: passed.issues });
  }
  if (scope.phase !== 'open') throw new Answered({ reason: 'timeout' });
  return passed.value;
}

async function passReply(action: ActionDefinition, reply: unknown): Promise<unknown> {
  if (action.reply === undefined) return {};
  const passed = await passAny(action.reply, reply);
  if ('value' in passed) return passed.value;
  throw new TypeError(`The reply does not pass its schema: ${passed.issues[0]?.message ?? ''}.`);
}

type Passed = { readonly value: unknown } | { readonly issues: readonly ViewIssue[] };

/** A task may wait for a schema. */
async function passAny(
  schema: NonNullable<ActionDefinition['input']>,
  value: unknown,
): Promise<Passed> {
  const result = await schema['~standard'].validate(value);
  // What it says of the value, in the form in which it travels.
  const told = { '~standard': { ...schema['~standard'], validate: () => result } };
  return passSchema(told, value);
}

function encoded(world: World, reply: unknown): JsonObject {
  const { value } = toWire(reply, undefined, { depthMax: world.config.limits.tree_depth });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('The reply of a command must be an object.');
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- neither null, a list, nor a scalar
  return value as JsonObject;
}

const codePattern = /^[a-z][a-z0-9_]*$/;

/** What a client is told of what application code threw: nothing, unless it said no (views.md §7.1, §16). */
export function refusalOf(error: unknown): ViewFault | null {
  if (error instanceof Answered) return error.response;
  if (!(error instanceof RejectedError) || !codePattern.test(error.code)) return null;
  const { code, details } = error;
  if (Object.keys(details).length === 0) return { reason: code };
  try {
    return {
      reason: code,
      data: toWire(details, undefined, { depthMax: viewLimits.tree_depth }).value,
    };
  } catch {
    return null;
  }
}

const rules = {
  action: 'a code is of small letters, digits and _, and what goes with it is plain data',
  mount:
    'mount and the first render say no by "unauthorized" alone; show what is not there as gone',
};

/** What operators are told of a no that clients are not told, or it would look as if they had been. */
export function untold(error: unknown, by: keyof typeof rules = 'action'): unknown {
  if (!(error instanceof RejectedError)) return error;
  return new TypeError(`No client is told "${error.code}": ${rules[by]}.`, { cause: error });
}
