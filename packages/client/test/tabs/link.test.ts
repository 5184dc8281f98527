import { describe, expect, it } from 'vitest';
import type { LinkEvents } from '@holdfast/client';
import { linkConformance } from '@holdfast/client/link/conformance';
import { Line } from '../../src/tabs/line.ts';
import type { LineMessage } from '../../src/tabs/line-message.ts';
import { TabLines } from '../../src/tabs/lines.ts';
import { cannotServe, type Route, TabLink } from '../../src/tabs/link.ts';
import { Queue, QueuePeer } from '../link/peers.ts';

const url = 'ws://server/ws/sync/websocket?token=a&device_id=browser&node=1';
const leader = { id: 'leader', epoch: 1, isUp: true };
const toLeader: Route = { to: 'tab', leader };

let timers: (() => void)[] = [];
const cleared = (): void => undefined;

/** A tab's link, and the tab that leads; what they post arrives a microtask later. */
function openTable(
  heard: (message: LineMessage) => void,
  isLate = false,
): {
  readonly link: TabLink;
  readonly lines: TabLines;
  readonly toTab: (message: LineMessage) => void;
} {
  const env = {
    setTimeout: (run: () => void): number => timers.push(run),
    clearTimeout: (timer: unknown): void =>
      void timers.fill(cleared, Number(timer) - 1, Number(timer)),
  };
  const link = new TabLink({
    env,
    link: {
      open: () => {
        throw new Error('there is no way to the server');
      },
    },
    report: () => undefined,
    review: () => null,
  });
  const post = (_to: string, message: LineMessage): void => queueMicrotask(() => heard(message));
  const lines = new TabLines({ id: 'tab', env, post });
  if (!isLate) link.use(lines);
  return { link, lines, toTab: (message) => queueMicrotask(() => link.hear('leader', message)) };
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the link to the tab that leads keeps the law of links', () => {
  const cases = linkConformance(async () => {
    const peers = new Queue<QueuePeer>();
    const lines = new Map<string, { readonly line: Line; readonly peer: QueuePeer }>();
    const open = (id: string): void => {
      const line: Line = new Line(id, {
        post: (message) => table.toTab(message),
        received: (data) => lines.get(id)?.peer.deliver(data),
        broken: () => undefined,
      });
      const peer = new QueuePeer({
        send: (data) => line.send(data),
        close: (code) => {
          table.toTab({ line: id, is: 'closed', code });
          peer.ended();
        },
      });
      lines.set(id, { line, peer });
      table.toTab({ line: id, is: 'opened' });
      peers.put(peer);
    };
    const table = openTable((message) => {
      if (message.is === 'open') open(message.line);
      else if (message.is === 'closed') lines.get(message.line)?.peer.ended();
      else lines.get(message.line)?.line.hear(message);
    });
    table.link.route(toLeader);
    return {
      link: table.link,
      url,
      accept: () => peers.take(),
      refuseAll: () => table.link.route({ to: 'server' }),
      carriesBytes: true,
      text: (n) => `text ${n}`,
      end: async () => undefined,
    };
  });
  for (const { name, run } of cases) it(name, run);
});

describe('a connection through another tab', () => {
  type Told = string | number;

  function connect(isLate = false): {
    readonly told: Told[];
    readonly asked: LineMessage[];
    readonly table: ReturnType<typeof openTable>;
    readonly connection: ReturnType<TabLink['open']>;
  } {
    const told: Told[] = [];
    const asked: LineMessage[] = [];
    const table = openTable((message) => asked.push(message), isLate);
    const connection = table.link.open(url, {
      opened: () => told.push('opened'),
      received: (data) => told.push(String(data)),
      closed: (code) => told.push(code),
    });
    return { told, asked, table, connection };
  }

  it('waits for a leader that is up, and asks it without the token', async () => {
    const { told, asked, table } = connect();
    table.link.route({ to: 'tab', leader: { ...leader, isUp: false } });
    await settle();
    expect([told, asked]).toEqual([[], []]);
    table.link.route(toLeader);
    await settle();
    const as = 'ws://server/ws/sync/websocket?device_id=browser';
    expect(asked).toEqual([{ line: 'tab/1', is: 'open', as }]);
  });

  it('ends where a message was lost, so that what comes after it is not taken for the next', async () => {
    const { told, table } = connect();
    table.link.route(toLeader);
    await settle();
    table.toTab({ line: 'tab/1', is: 'opened' });
    table.toTab({ line: 'tab/1', is: 'data', n: 1, data: 'one' });
    table.toTab({ line: 'tab/1', is: 'data', n: 1, data: 'one' });
    table.toTab({ line: 'tab/1', is: 'data', n: 3, data: 'three' });
    await settle();
    expect(told).toEqual(['opened', 'one', 4002]);
  });

  it('ends where the last message was lost, once the leader tells how far it has come', async () => {
    const { told, table } = connect();
    table.link.route(toLeader);
    await settle();
    table.toTab({ line: 'tab/1', is: 'opened' });
    table.toTab({ line: 'tab/1', is: 'beat', sent: 1, received: 0 });
    await settle();
    expect(told).toEqual(['opened', 4002]);
  });

  it('ends when another tab leads, and does not hear the former leader any more', async () => {
    const { told, table } = connect();
    table.link.route(toLeader);
    await settle();
    table.toTab({ line: 'tab/1', is: 'opened' });
    await settle();
    table.link.route({ to: 'tab', leader: { id: 'other', epoch: 2, isUp: true } });
    table.toTab({ line: 'tab/1', is: 'data', n: 1, data: 'late' });
    await settle();
    expect(told).toEqual(['opened', 4002]);
  });

  it('ends when the same tab leads once more: what it did for others is done no more', async () => {
    const { told, table } = connect();
    table.link.route(toLeader);
    await settle();
    table.link.route(toLeader);
    expect(told).toEqual([]);
    table.link.route({ to: 'tab', leader: { ...leader, epoch: 2 } });
    await settle();
    expect(told).toEqual([4002]);
  });

  it('waits until other tabs can be spoken to', async () => {
    const { told, asked, table } = connect(true);
    table.link.route(toLeader);
    await settle();
    expect([told, asked]).toEqual([[], []]);
    table.link.use(table.lines);
    await settle();
    expect(asked).toMatchObject([{ is: 'open' }]);
  });

  it('goes its own way where it cannot be had how one speaks to other tabs', async () => {
    const { told, asked, table } = connect(true);
    table.link.route(toLeader);
    table.link.use(null);
    await settle();
    // To the server, which cannot be reached here.
    expect([told, asked]).toEqual([[1006], []]);
  });

  it('goes its own way where nobody leads for long', async () => {
    timers = [];
    const { told } = connect();
    await settle();
    expect(told).toEqual([]);
    for (const run of timers) run();
    await settle();
    // To the server, which cannot be reached here.
    expect(told).toEqual([1006]);
  });

  it('stays with a leader that is heard of in time', async () => {
    timers = [];
    const { told, table } = connect();
    await settle();
    const [patience] = timers;
    table.link.route(toLeader);
    table.toTab({ line: 'tab/1', is: 'opened' });
    await settle();
    patience?.();
    await settle();
    expect(told).toEqual(['opened']);
  });

  it('leaves no timer running where it is closed while it is served (P35)', async () => {
    timers = [];
    const { connection, table } = connect();
    table.link.route(toLeader);
    table.toTab({ line: 'tab/1', is: 'opened' });
    await settle();
    expect(timers.length).toBeGreaterThan(1);
    connection.close();
    await settle();
    expect(new Set(timers)).toEqual(new Set([cleared]));
  });

  it('leaves no timer running where it is closed while nobody leads (P35)', async () => {
    timers = [];
    const { connection } = connect();
    expect(timers).not.toEqual([cleared]);
    connection.close();
    await settle();
    expect(timers).toEqual([cleared]);
  });

  it('goes its own way where the leader cannot serve it', async () => {
    const { told, table } = connect();
    table.link.route(toLeader);
    await settle();
    table.toTab({ line: 'tab/1', is: 'closed', code: cannotServe });
    await settle();
    expect(told).toEqual([4002]);
    const again: Told[] = [];
    table.link.open(url, {
      opened: () => again.push('opened'),
      received: () => undefined,
      closed: (code) => again.push(code),
    });
    await settle();
    // To the server, which cannot be reached here.
    expect(again).toEqual([1006]);
  });
});

/** Looks at what waits when it is told to, at a connection that opens and closes when it is told to. */
function lookedAt() {
  const looks: ((at: unknown) => void)[] = [];
  const begun: LinkEvents[] = [];
  const link = new TabLink({
    env: { setTimeout: () => null, clearTimeout: () => undefined },
    link: {
      open: (_url, events) => {
        begun.push(events);
        return { send: () => undefined, close: () => undefined };
      },
    },
    report: () => undefined,
    review: () => new Promise((resolve) => looks.push(resolve)),
  });
  const heard: string[] = [];
  link.open(url, {
    opened: () => heard.push('opened'),
    received: cleared,
    closed: () => heard.push('closed'),
  });
  return { link, looks, begun, heard };
}

/** It looks, and the connection that begins then opens. */
async function opening() {
  const at = lookedAt();
  at.link.route({ to: 'server' });
  at.looks[0]?.(null);
  await settle();
  at.begun[0]?.opened();
  await settle();
  return at;
}

it('given a way that is left and taken again while what waits is looked at, a connection begins after the second look', async () => {
  const { link, looks, begun } = lookedAt();
  for (const to of ['server', 'nobody', 'server'] as const) link.route({ to });
  const after: number[] = [];
  for (const looked of looks) {
    looked(null);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await settle();
    after.push(begun.length);
  }
  expect(after).toEqual([0, 1]);
});

describe('given a connection that takes long to open, as where its tab is frozen meanwhile', () => {
  it('what waits is looked at once more before anything can be sent', async () => {
    const { looks, heard } = await opening();
    expect(heard).toEqual([]);
    looks[1]?.(null);
    await settle();
    expect(heard).toEqual(['opened']);
  });

  it('and closes while it is looked at, nobody hears that it has opened', async () => {
    const { looks, begun, heard } = await opening();
    begun[0]?.closed(1006);
    looks[1]?.(null);
    await settle();
    expect(heard).toEqual(['closed']);
  });
});
