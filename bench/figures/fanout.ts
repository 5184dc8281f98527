import { WebSocket } from 'ws';
import type { Figure } from '../figure.ts';
import { judged } from '../history/judged.ts';
import { readerTestimony } from '../history/wire.ts';
import { Audience, everything } from '../load/audience.ts';
import { topic, Writer } from '../load/writers.ts';
import { start } from '../servers/process.ts';

const VALUE = 'v'.repeat(200);
const LAST = 'z'.repeat(60_000);
const WINDOW = 256;

/** One event at a time: the next is written when every subscriber has the one before. */
export function fanoutSingle(subscribers: number): Figure {
  return {
    id: `fanout-single-${subscribers}`,
    unit: 'deliveries/s',
    against: 'a bare ws server that calls ws.send(buffer) for each subscriber',
    goal: { ratio: 0.8, at: 'least' },
    measure: async (quick) => {
      // Servers run for days: the seconds in which the code is compiled count on neither side.
      const [cold, warm] = quick ? [0.1, 0.3] : [4, 4];
      const run = async (side: Side): Promise<number> => {
        await oneByOne(side, cold);
        return oneByOne(side, warm);
      };
      const ours = await withStore(subscribers, run);
      const limit = await withBare(subscribers, run);
      return { ours, limit };
    },
  };
}

/** A stream: up to 256 events on their way. */
export function fanoutStream(subscribers: number): Figure {
  return {
    id: `fanout-stream-${subscribers}`,
    unit: 'deliveries/s',
    against: 'a bare ws server that calls ws.send(buffer) for each subscriber',
    goal: { ratio: 3, at: 'least' },
    measure: async (quick) => {
      const seconds = quick ? 0.3 : 2;
      const ours = await withStore(subscribers, (side) => stream(side, seconds));
      const limit = await withBare(subscribers, (side) => stream(side, seconds));
      return { ours, limit };
    },
  };
}

/** A stream to partial replicas: what each group has is projected and encoded once for all of it. */
export function fanoutFiltered(subscribers: number, groups: number): Figure {
  const patternsOf = (index: number): readonly string[] => ['w/**', `g${index % groups}/**`];
  return {
    id: 'fanout-filtered',
    unit: 'deliveries/s',
    against: 'the same subscribers, each with the whole store',
    goal: { ratio: 0.7, at: 'least' },
    measure: async (quick) => {
      const seconds = quick ? 0.3 : 2;
      const run = (side: Side): Promise<number> => stream(side, seconds);
      const ours = await withStore(subscribers, run, patternsOf);
      const limit = await withStore(subscribers, run);
      return { ours, limit };
    },
  };
}

/** What differs between us and the bare server. */
type Side = {
  readonly audience: Audience;
  readonly publish: (value: string) => void;
  /** Calls back whenever one more event is known to have gone through. */
  readonly onProgress: (progressed: () => void) => void;
};

async function withStore(
  count: number,
  run: (side: Side) => Promise<number>,
  patternsOf: (index: number) => readonly string[] = everything,
): Promise<number> {
  return judged({ writesCommitted: 20, events: 20 }, async (server, witnesses) => {
    const audience = await Audience.ofStore(server.port, count, patternsOf);
    const writer = await Writer.open(server.port, 'w', VALUE.length);
    const rate = await run({
      audience,
      publish: (value) => writer.write(value),
      onProgress: (progressed) => (writer.onAcknowledged = progressed),
    });
    // The others only count, and each has counted what it was to hear.
    const [reader] = audience.readers;
    const joined = { patterns: patternsOf(0), from: 0 };
    witnesses.push(
      () => writer.testimony(),
      () => readerTestimony('r0', reader?.kept() ?? [], joined),
    );
    writer.close();
    audience.close();
    return rate;
  });
}

async function withBare(count: number, run: (side: Side) => Promise<number>): Promise<number> {
  const server = await start('bare');
  const audience = await Audience.ofBare(server.port, count);
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/writer`);
  const echo = new WebSocket(`ws://127.0.0.1:${server.port}/reader`);
  await Promise.all([opened(socket), opened(echo)]);
  let seq = 0;
  const rate = await run({
    audience,
    // The bytes that our server sends for the same event.
    publish: (value) => {
      seq += 1;
      const op = `[${seq},"set","w/p${seq % 500}","${value}","w","w:s:${seq}"]`;
      socket.send(
        `[null,null,"${topic}","events",{"from_seq":${seq - 1},"to_seq":${seq},"ops":[${op}]}]`,
      );
    },
    onProgress: (progressed) => {
      echo.removeAllListeners('message');
      echo.on('message', progressed);
    },
  });
  socket.terminate();
  echo.terminate();
  audience.close();
  await server.stop();
  return rate;
}

async function oneByOne({ audience, publish }: Side, seconds: number): Promise<number> {
  const before = audience.readers.map((reader) => reader.messages);
  const base = Math.max(...before);
  let events = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000) {
    events += 1;
    publish(VALUE);
    const heard = base + events;
    await audience.until((reader) => reader.messages >= heard);
  }
  return (events * audience.readers.length) / ((performance.now() - startedAt) / 1000);
}

async function stream({ audience, publish, onProgress }: Side, seconds: number): Promise<number> {
  let sent = 0;
  let through = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve) => {
    onProgress(() => {
      through += 1;
      if (performance.now() - startedAt < seconds * 1000) {
        sent += 1;
        publish(VALUE);
      } else if (through === sent) {
        resolve();
      }
    });
    for (; sent < WINDOW; sent += 1) publish(VALUE);
  });
  publish(LAST);
  await audience.until((reader) => reader.large >= 1);
  return (sent * audience.readers.length) / ((performance.now() - startedAt) / 1000);
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
}
