import type { ViewFault } from '@holdfast/protocol/views';
import type { Audience } from './audience.ts';
import { Answered, findCommand, runCommand } from './command.ts';
import { Context } from './context.ts';
import { keyOf, type ViewNode } from './node.ts';
import { Replies } from './replies.ts';
import type { Message, Scope } from './scope.ts';
import type { Request, Tasks } from './tasks.ts';
import type { InstanceInput } from './types.ts';
import type { World } from './world.ts';

type Input<T extends InstanceInput['type']> = Extract<InstanceInput, { readonly type: T }>;

/** What requests need of the instance. */
export type RequestHost = {
  readonly world: World;
  readonly audience: Audience;
  readonly tasks: Tasks;
  enter(run: () => void): void;
  root(): ViewNode | null;
};

/** What clients and the server's own code ask of an instance, each in its turn (views.md §7). */
export class Requests {
  readonly #host: RequestHost;
  readonly #replies: Replies;

  constructor(host: RequestHost) {
    this.#host = host;
    this.#replies = new Replies((effect) => host.world.ports.perform(effect));
  }

  hear(input: Input<'command' | 'answer' | 'params' | 'tell'>): void {
    switch (input.type) {
      case 'command':
        return this.#command(input);
      case 'answer':
        return this.#answer(input);
      case 'params':
        return this.#params(input);
      case 'tell':
        return this.#tell(input);
    }
  }

  #command({ ticket, subscriber, command, ledger }: Input<'command'>): void {
    const { client_op_id: opId } = command;
    const reply = this.#open(subscriber, ticket);
    const book = opId === null ? null : ledger;
    const claim = book?.claim(opId ?? '', ({ status, response }) =>
      this.#host.enter(() => reply(status, response)),
    );
    if (claim === 'wait') return;
    if (claim !== undefined && claim !== 'run') {
      reply(claim.status, claim.response);
      return;
    }
    const { tasks, world } = this.#host;
    if (tasks.length >= world.config.limits.queued_tasks) {
      const response = { reason: 'overloaded' };
      book?.release(opId ?? '', { status: 'error', response });
      reply('error', response);
      return;
    }
    const answer: Request['answer'] = (status, response, version) => {
      reply(status, response, version);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- in wire form
      const kept = { status, response: response as ViewFault };
      book?.settle(opId ?? '', kept, world.ports.now());
    };
    // Nothing of it has happened: it may be sent to another instance.
    const abandon = (): void =>
      book?.release(opId ?? '', { status: 'error', response: { reason: 'disconnected' } });
    tasks.add({ ...this.#commandTask({ subscriber, command }), answer, abandon });
  }

  /** A reply of the host's own, in its turn. */
  #answer({ ticket, subscriber, response }: Input<'answer'>): void {
    this.#open(subscriber, ticket)('error', response);
  }

  #params({ ticket, subscriber, params, given, authorize }: Input<'params'>): void {
    const reply = this.#open(subscriber, ticket);
    const { world, tasks } = this.#host;
    const root = this.#host.root();
    const onParams = root?.view.onParams;
    if (root === null || onParams === undefined || world.isShared) {
      reply('error', { reason: 'unsupported' });
      return;
    }
    const run = async (node: ViewNode, scope: Scope): Promise<object> => {
      const fault = (await authorize?.()) ?? null;
      if (fault !== null) throw new Answered(fault);
      const former = node.props.read(scope.layer);
      node.props.write(scope.layer, { ...former, params, passed: params });
      scope.layer.dirty.add(node);
      scope.layer.whenCommitted(() => world.ports.perform({ type: 'params', params, given }));
      await onParams(new Context(world, { node, scope }), params, former.params);
      return {};
    };
    tasks.add({
      caller: null,
      where: 'onParams',
      find: () => ({ node: root }),
      run,
      answer: reply,
      abandon: nothing,
    });
  }

  #tell({ path, message, payload }: Input<'tell'>): void {
    const node = this.#host.world.find(keyOf(path));
    if (node !== null) this.deliver([{ node, name: message, payload }]);
  }

  /** Runs messages, each as a task. */
  deliver(messages: readonly Message[]): void {
    for (const message of messages) {
      const { node, name } = message;
      const run = (_: unknown, scope: Scope): void => void scope.messages.push(message);
      this.#host.tasks.add({ node, where: `message ${name}`, run });
    }
  }

  /** Nobody waits for replies any more. */
  forget(subscriber: number): void {
    this.#replies.forget(subscriber);
  }

  #open(
    subscriber: number,
    ticket: number,
  ): (status: 'ok' | 'error', response: object, version?: number) => void {
    this.#replies.open(subscriber, ticket);
    return (status, response, version = this.#host.audience.version) =>
      this.#replies.settle(subscriber, { ticket, status, response, version });
  }

  #commandTask({
    subscriber,
    command,
  }: Pick<Input<'command'>, 'subscriber' | 'command'>): Omit<Request, 'answer' | 'abandon'> {
    const { world, audience } = this.#host;
    const find = (): ReturnType<typeof findCommand> => findCommand(world, command);
    return {
      caller: { subscriber, principal: audience.principalOf(subscriber) },
      where: `command ${command.name}`,
      find: () => {
        const found = find();
        if ('reason' in found) return found;
        const { timeout } = found.action;
        return timeout === undefined ? found : { ...found, timeout };
      },
      run: async (_, scope) => {
        const found = find();
        return 'reason' in found ? found : runCommand(world, { ...found, command }, scope);
      },
    };
  }
}

function nothing(): void {
  // Nobody remembers it.
}
