import { RejectedError } from '@holdfast/client';
import { app, createServer, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { run as main } from '../src/main.ts';
import { bin, linesOf, onTerminal, type Ran } from './harness.ts';

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: (s, _h, { params }) => ({ title: params.title, open: s.open }),
  commands: { toggle: { run: (ctx) => ctx.update((s) => void (s.open = !s.open)) } },
});

const hanging: string[] = [];
const counter = view({
  name: 'Counter',
  params: z.object({ from: z.number() }),
  authorize: ({ params }) => params.from >= 0,
  events: { reached: z.object({ count: z.number() }) },
  mount: ({ params }) => ({ count: params.from }),
  render: (s, h) => ({ count: s.count, cards: [h.child(card, 'a', { title: 'A' })] }),
  commands: {
    add: {
      input: z.object({ by: z.number().optional() }),
      reply: z.object({ count: z.number() }),
      run: (ctx, { by = 1 }) => {
        ctx.update((s) => void (s.count += by));
        ctx.send('reached', { count: ctx.state.count });
        return { count: ctx.state.count };
      },
    },
    refuse: {
      run: () => {
        throw new RejectedError('counter_full', { data: 7 });
      },
    },
    hang: {
      run: () => {
        hanging.push('hang');
        return new Promise<void>(() => undefined);
      },
    },
  },
});

const server = createServer({
  storage: memory(),
  rates: false,
  app: app({ views: [counter] }),
});
const issue = (): ReturnType<typeof server.tokens.issue> =>
  server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
let env: NodeJS.ProcessEnv;

const silent = { isTTY: false, write: () => undefined };
async function* nothing(): AsyncGenerator<string> {}

beforeAll(async () => {
  const { url } = await server.listen();
  env = { HOLDFAST_URL: url, HOLDFAST_TOKEN: (await issue()).rawToken };
});

afterAll(() => server.close({ retryAfterMs: 0 }));

const from = (count: number): readonly string[] => ['--params', JSON.stringify({ from: count })];

/** What a run on a terminal says went wrong. */
async function complaint(...args: readonly string[]): Promise<string> {
  const plain = { ...env, NO_COLOR: '1' };
  return (await onTerminal(['view', 'Counter', ...args], { env: plain })).stderr;
}

async function run(...args: readonly string[]): Promise<Ran> {
  const ran = await onTerminal(['view', ...args], { env, isTTY: false });
  const [error = {}] = linesOf(ran.stderr).flatMap((row) => ('error' in row ? [row['error']] : []));
  return { ...ran, rows: linesOf(ran.stdout), error: error as Ran['error'] };
}

test('a view is shown once, as a line for programs and pretty for people', async () => {
  const snapshot = { count: 3, cards: [{ title: 'A', open: false }] };
  expect(await run('Counter', ...from(3))).toMatchObject({ code: 0, rows: [{ snapshot }] });
  const shown = await onTerminal(['view', 'Counter', ...from(3)], { env });
  expect(shown).toEqual({ code: 0, stdout: `${JSON.stringify(snapshot, null, 2)}\n`, stderr: '' });
});

test('a command is sent to a view, or to a node inside it, and its reply told', async () => {
  const added = await run('Counter', ...from(3), '--dispatch', 'add', '--payload', '{"by":4}');
  expect(added).toMatchObject({ code: 0, rows: [{ command: 'add', reply: { count: 7 } }] });
  const node = ['--node', 'cards/0'];
  const inside = await run('Counter', ...from(3), ...node);
  expect(inside.rows).toEqual([{ snapshot: { title: 'A', open: false } }]);
  const follow = ['--dispatch', 'toggle', '--follow', '--count', '2'];
  const { rows } = await run('Counter', ...from(3), ...node, ...follow);
  expect(rows).toHaveLength(3);
  expect(rows).toContainEqual({ command: 'toggle', reply: {} });
  expect(rows).toContainEqual({ snapshot: { title: 'A', open: true } });
});

test('a view is followed, with its events, until Ctrl-C', async () => {
  const follow = ['--follow', '--events', 'reached', '--dispatch', 'add'];
  const child = spawn(process.execPath, [bin, 'view', 'Counter', ...from(1), ...follow], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  const told: unknown[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => told.push(JSON.parse(line)));
  await expect.poll(() => told.length).toBe(4);
  child.kill('SIGINT');
  expect(await closed).toEqual([0, null]);
  expect(told[0]).toMatchObject({ snapshot: { count: 1 } });
  expect(told).toContainEqual({ snapshot: { count: 2, cards: [{ title: 'A', open: false }] } });
  expect(told).toContainEqual({ event: 'reached', payload: { count: 2 } });
  expect(told).toContainEqual({ command: 'add', reply: { count: 2 } });
});

const refusals: readonly (readonly [string, readonly string[], number, string])[] = [
  ['a view that is not there', ['None'], 9, 'unknown root'],
  ['who may not mount it', ['Counter', ...from(-1)], 6, 'unauthorized'],
  ['params of another shape', ['Counter'], 8, 'invalid_params'],
  ['a command that is not there', ['Counter', ...from(0), '--dispatch', 'x'], 9, 'unknown command'],
  ['what a command refuses', ['Counter', ...from(0), '--dispatch', 'refuse'], 8, 'counter_full'],
  [
    'a payload of another shape',
    ['Counter', ...from(0), '--dispatch', 'add', '--payload', '{"by":"x"}'],
    8,
    'invalid_payload',
  ],
  ['a node that is not there', ['Counter', ...from(0), '--node', 'cards/7'], 9, 'not_found'],
  ['a server that is not there', ['Counter', '--url', 'http://127.0.0.1:1'], 7, 'unavailable'],
  ['an unknown token', ['Counter', '--token', 'nobody'], 6, 'unauthorized'],
  ['a name that is none', ['no name'], 2, 'usage'],
  ['params that are no object', ['Counter', '--params', '[]'], 2, 'usage'],
  ['a payload of no command', ['Counter', '--payload', '{}'], 2, 'usage'],
  ['events that nobody waits for', ['Counter', '--events', 'reached'], 2, 'usage'],
];

test.each(refusals)('%s is told by exit code and word', async (_, args, exit, code) => {
  const ran = await run(...args);
  expect([ran.code, ran.error['code'], ran.rows]).toEqual([exit, code, []]);
});

const hang = [...from(0), '--dispatch', 'hang', '--timeout', '20s'];

/** Lets the time of a run be over once its command has begun. */
async function late<T>(ran: () => Promise<T>): Promise<T> {
  hanging.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const going = { isOver: false };
  const told = ran().finally(() => (going.isOver = true));
  while (hanging.length === 0 && !going.isOver) {
    // oxlint-disable-next-line no-await-in-loop -- with turns for the network
    await vi.advanceTimersByTimeAsync(0);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.advanceTimersByTimeAsync(20_000);
  return told;
}

test('a command that is not done in time is told by exit code and word', async () => {
  const ran = await late(() => run('Counter', ...hang));
  expect([ran.code, ran.error['code'], ran.rows]).toEqual([7, 'timeout', []]);
});

test('a view that is followed ends when its token is taken back', async () => {
  const printed = vi.spyOn(console, 'error');
  onTestFinished(() => printed.mockRestore());
  const { id, rawToken } = await issue();
  const args = ['view', 'Counter', ...from(0), '--follow', '--token', rawToken];
  const told = new EventEmitter();
  const first = once(told, 'line');
  const stdout = { isTTY: false, write: () => told.emit('line') };
  const ended = main(args, { env, stdin: nothing(), stdout, stderr: silent });
  await first;
  await server.tokens.revoke(id);
  expect(await ended).toBe(6);
  expect(printed).not.toHaveBeenCalled();
});

test('what is wrong with a request is told to people, too', async () => {
  expect(await complaint('--params', '{"from":"x"}')).toMatch(/→ from: \S+/);
  expect(await late(() => complaint(...hang))).toContain('may have been done');
});

test('the command explains itself', async () => {
  const { code, stdout } = await onTerminal(['help', 'view']);
  expect(code).toBe(0);
  for (const part of ['EXAMPLES', '--params', '--follow', '--events', '--dispatch']) {
    expect(stdout).toContain(part);
  }
});
