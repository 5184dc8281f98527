import type { Signal } from '@holdfast/client';
import { type ViewHandle, type ViewHealth, type ViewProxy, views } from '@holdfast/client/views';
import { isObject } from '@holdfast/protocol';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure, failureOf, misuse } from '../failure.ts';
import { interruption } from '../interrupt.ts';
import { longValue, type Output, printable, shortValue } from '../output.ts';
import { withClient } from '../session.ts';
import { readInput, type Terminal } from '../terminal.ts';
import { readInteger, readJson, readList, readOptional } from '../values.ts';

export const command: Command = defineCommand({
  summary: 'Show what a view shows, follow it, or send it a command.',
  args: {
    module: { type: 'positional', description: 'The name of the view on the server' },
    id: {
      type: 'string',
      valueHint: 'ID',
      default: 'default',
      description: 'Which of the views of this name',
    },
    params: {
      type: 'string',
      valueHint: 'JSON',
      default: '{}',
      description: 'What it is mounted with: an object',
    },
    node: {
      type: 'string',
      valueHint: 'FIELDS',
      description: 'A node inside it, by the fields that lead there: cards/0',
    },
    dispatch: {
      type: 'string',
      valueHint: 'NAME',
      description: 'Send this command; tell its reply',
    },
    payload: {
      type: 'string',
      valueHint: 'JSON',
      description: 'What the command takes: an object; - is standard input',
    },
    follow: { type: 'boolean', description: 'Tell every snapshot that differs, until Ctrl-C' },
    count: { type: 'string', valueHint: 'N', description: 'With --follow: end after so many' },
    events: {
      type: 'string',
      valueHint: 'NAMES',
      description: 'With --follow: tell these events, too, such as toast,saved',
    },
    ...connectionArgs,
  },
  examples: [
    `holdfast view Board --params '{"room":"r1"}'`,
    `holdfast view Board --params '{"room":"r1"}' --follow --events toast`,
    `holdfast view Board --params '{"room":"r1"}' --dispatch addCard --payload '{"title":"Buy milk"}'`,
    `holdfast view Board --params '{"room":"r1"}' --json | jq .snapshot.cards`,
  ],
  async run(args, around) {
    const wish = await readWish(args, around.terminal);
    const endpoint = endpointOf(args, around.terminal);
    // Without --follow Ctrl-C ends the process at once: nobody must take it for an answer.
    const { signal, stop } = args.follow
      ? interruption()
      : { signal: new AbortController().signal, stop: () => undefined };
    try {
      await withClient(
        endpoint,
        { views: views(), output: around.output },
        async (client, within) => {
          const view = client.view(args.module, { id: args.id, params: wish.params, signal });
          await within(view.ready, `${args.module} did not mount`);
          const order = { ...wish, signal, timeoutMs: endpoint.timeoutMs };
          await show(view, order, around.output);
        },
      );
    } catch (error) {
      // Ctrl-C is how a view that is followed ends.
      if (!signal.aborted) throw refused(error);
    } finally {
      stop();
    }
  },
});

type Wish = {
  readonly params: { readonly [name: string]: unknown };
  readonly node: readonly string[];
  readonly dispatch: string | null;
  readonly payload: object;
  readonly isFollowed: boolean;
  readonly count: number;
  readonly events: readonly string[];
};

type Order = Wish & { readonly signal: AbortSignal; readonly timeoutMs: number };

type Given = {
  readonly params: string;
  readonly node: string | undefined;
  readonly dispatch: string | undefined;
  readonly payload: string | undefined;
  readonly follow: boolean;
  readonly count: string | undefined;
  readonly events: string | undefined;
};

async function readWish(args: Given, terminal: Terminal): Promise<Wish> {
  const { dispatch, payload = '{}', follow } = args;
  if (args.payload !== undefined && dispatch === undefined) {
    throw misuse('--payload is of a command.', 'Name the command with --dispatch.');
  }
  for (const name of ['count', 'events'] as const) {
    if (args[name] !== undefined && !follow) throw misuse(`--${name} needs --follow.`);
  }
  const text = payload === '-' ? await readInput(terminal) : payload;
  return {
    params: readMembers(args.params, '--params'),
    node: (args.node ?? '').split('/').filter((field) => field !== ''),
    dispatch: dispatch ?? null,
    payload: readMembers(text, '--payload'),
    isFollowed: follow,
    count: readOptional(args.count, (n) => readInteger(n, '--count', { min: 1 })) ?? Infinity,
    events: readList(args.events ?? ''),
  };
}

function readMembers(text: string, option: string): { readonly [name: string]: unknown } {
  const hint = `${option} takes an object: '{"room":"r1"}'.`;
  const json = readJson(text, hint);
  if (isObject(json)) return json;
  throw misuse(`${option} is no object.`, hint);
}

async function show(view: ViewHandle, order: Order, output: Output): Promise<void> {
  const node = nodeIn(view.proxy, order.node);
  if (order.isFollowed) return followNode({ node, health: view.health }, order, output);
  if (order.dispatch === null) tellSnapshot(output, node);
  else await tellReply(output, node, order);
}

/** The node that fields lead to. */
function nodeIn(root: ViewProxy, fields: readonly string[]): ViewProxy {
  const at = fields.reduce<unknown>(
    (inside, field) => (typeof inside === 'object' ? Object(inside)[field] : undefined),
    root,
  );
  if (isNode(at)) return at;
  throw new Failure('not_found', `There is no node at ${fields.join('/')}.`, {
    hint: 'Look at the whole view without --node.',
  });
}

function isNode(value: unknown): value is ViewProxy {
  return typeof value === 'object' && value !== null && '$dispatch' in value;
}

type Followed = { readonly node: ViewProxy; readonly health: Signal<ViewHealth> };

/** Tells each snapshot and event from now on, until Ctrl-C, or until the server says that it is over. */
async function followNode({ node, health }: Followed, order: Order, output: Output): Promise<void> {
  const { signal, events } = order;
  let left = order.count;
  let known = health.get().state;
  const releases: (() => void)[] = [];
  const over = new Promise<void>((resolve, reject) => {
    const tell = (): void => {
      if (left <= 0) return;
      left -= 1;
      tellSnapshot(output, node);
      if (left <= 0) resolve();
    };
    const look = (): void => {
      const { state, error } = health.get();
      if (state === 'failed') reject(error);
      if (state === known) return;
      known = state;
      output.aside({ view: state }, (paint) => paint.dim(`(${state})`));
    };
    signal.addEventListener('abort', () => resolve(), { once: true });
    tell();
    releases.push(node.$subscribe(tell), health.subscribe(look));
  });
  for (const name of events) {
    releases.push(node.$on(name, (payload) => tellEvent(output, name, payload)));
  }
  try {
    const told = order.dispatch === null ? undefined : tellReply(output, node, order);
    await Promise.all([over, told]);
  } finally {
    for (const release of releases) release();
  }
}

function tellSnapshot(output: Output, node: ViewProxy): void {
  const snapshot = node.$snapshot() ?? null;
  output.record({ snapshot }, () => longValue(snapshot));
}

function tellEvent(output: Output, name: string, payload: unknown): void {
  output.record(
    { event: name, payload },
    (paint) => `${paint.cyan(printable(name))}  ${shortValue(payload)}`,
  );
}

async function tellReply(output: Output, node: ViewProxy, order: Order): Promise<void> {
  const { dispatch, payload, signal, timeoutMs } = order;
  const name = dispatch ?? '';
  const reply = await node.$dispatch(name, payload, { signal, timeoutMs });
  const isEmpty = isObject(reply) && Object.keys(reply).length === 0;
  output.record({ command: name, reply }, (paint) => {
    const done = `${paint.green('✓')} ${printable(name)}`;
    return isEmpty ? done : `${done}\n${longValue(reply)}`;
  });
}

/** What a refusal lacks for people: that it is about a view, and what exactly was wrong. */
function refused(error: unknown): Failure {
  const failure = failureOf(error);
  const { outcome, code, message, details } = failure;
  const hint = hintOf(failure);
  return hint === null ? failure : new Failure(outcome, message, { code, details, hint });
}

function hintOf({ code, details }: Failure): string | null {
  const { issues, mayHaveRun } = details;
  if (code === 'unauthorized') {
    return 'Check --token (or HOLDFAST_TOKEN), and who may mount this view with these --params.';
  }
  if (mayHaveRun === true) {
    return 'The command may have been done: look at the view, or wait longer with --timeout 60s.';
  }
  return Array.isArray(issues) ? issues.map(issueText).join('; ') : null;
}

function issueText(issue: unknown): string {
  if (!isObject(issue)) return shortValue(issue);
  const { path, message } = issue;
  const where = Array.isArray(path) ? path.join('.') : '';
  return printable(where === '' ? String(message) : `${where}: ${String(message)}`);
}
