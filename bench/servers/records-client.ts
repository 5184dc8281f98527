import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { record, type StandardSchema } from '@holdfast/protocol';
import { setImmediate as turn } from 'node:timers/promises';
import { topic } from '../load/join-reply.ts';
import { settings } from './answers.ts';
import { Wire } from './record-wire.ts';

/* 10,000 records in one process, or a Map of as many objects, fed by the same frames: 200 a second of 25 updates each. */
const RECORDS = 10_000;
const UPDATES_PER_FRAME = 25;
const FRAMES_PER_SECOND = 200;

type User = {
  readonly name: string;
  readonly age: number;
  readonly city: string;
  readonly note: string;
};

const isUser = (value: unknown): value is User => {
  const { name, age, city, note } = Object(value) as { [field: string]: unknown };
  const isText = typeof name === 'string' && typeof city === 'string' && typeof note === 'string';
  return isText && typeof age === 'number';
};

const schema: StandardSchema<User, User> = {
  '~standard': {
    version: 1,
    vendor: 'bench',
    validate: (value) => (isUser(value) ? { value } : { issues: [{ message: 'no user' }] }),
  },
};
const User = record({ name: 'user', store: 'bench/main', path: 'users/:id', version: '1', schema });

let notices = 0;
const feed = settings()['kind'] === 'records' ? await recordsFed() : mapFed();

process.on('message', (question) => {
  if (question === 'micros') void measure().then((micros) => process.send?.(micros));
  if (question === 'stop') process.exit(0);
});
process.send?.(0);

/** Microseconds of CPU time per update. */
async function measure(): Promise<number> {
  const seconds = Number(settings()['seconds']);
  let seq = await run(RECORDS * 4, FRAMES_PER_SECOND * 2);
  const before = [process.cpuUsage(), notices] as const;
  const frames = FRAMES_PER_SECOND * seconds;
  seq = await run(seq, frames);
  const { user, system } = process.cpuUsage(before[0]);
  const updates = frames * UPDATES_PER_FRAME;
  if (notices - before[1] !== updates) throw new Error(`${notices - before[1]} of ${updates} seen`);
  return (user + system) / updates;
}

/** Takes so many frames, each when it is due. */
async function run(from: number, frames: number): Promise<number> {
  const texts = Array.from({ length: frames }, (_, at) => frame(from + at * UPDATES_PER_FRAME));
  const startedAt = performance.now();
  for (const [at, text] of texts.entries()) {
    const dueAt = startedAt + (at / FRAMES_PER_SECOND) * 1000;
    const early = dueAt - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
    feed(text);
    await turn();
  }
  return from + frames * UPDATES_PER_FRAME;
}

function frame(from: number): string {
  const ops = Array.from({ length: UPDATES_PER_FRAME }, (_, index) => {
    const seq = from + index + 1;
    const path = `users/${(seq * 7919) % RECORDS}/name`;
    return [seq, 'set', path, `name ${seq}`, 'feeder', `feeder:s:${seq}`];
  });
  const payload = { from_seq: from, to_seq: from + UPDATES_PER_FRAME, ops };
  return JSON.stringify([null, null, topic, 'events', payload]);
}

function userOf(id: number): User {
  return { name: `name ${id}`, age: id % 90, city: `city ${id % 100}`, note: 'x'.repeat(20) };
}

function rows(): ConstructorParameters<typeof Wire>[0] {
  return Array.from({ length: RECORDS }, (_, id) =>
    Object.entries(userOf(id)).map(([field, value], index) => {
      const type = typeof value === 'string' ? 'string' : 'integer';
      return [`users/${id}/${field}`, value, type, id * 4 + index + 1] as const;
    }),
  ).flat();
}

/** A Map of the same objects, each with a listener. */
function mapFed(): (text: string) => void {
  const users = new Map<string, User>();
  const listeners = new Map<string, Set<() => void>>();
  for (let id = 0; id < RECORDS; id += 1) {
    users.set(`${id}`, userOf(id));
    listeners.set(`${id}`, new Set([() => (notices += 1)]));
  }
  return (text) => {
    const [, , , , { ops }] = JSON.parse(text) as [0, 0, 0, 0, { ops: [0, 0, string, string][] }];
    for (const [, , path, value] of ops) {
      const [, id = '', field = ''] = path.split('/');
      const user = users.get(id);
      if (user !== undefined) users.set(id, { ...user, [field]: value });
      for (const listener of listeners.get(id) ?? []) listener();
    }
  };
}

/** As many records of a client, each retained and listened to. */
async function recordsFed(): Promise<(text: string) => void> {
  const wire = new Wire(rows());
  const client = createClient({
    url: 'ws://bench.invalid',
    token: 'bench',
    link: wire,
    records: records([User], { openMax: RECORDS }),
  });
  const ready: Promise<void>[] = [];
  for (let id = 0; id < RECORDS; id += 1) {
    const user = client.record(User, { id: `${id}` });
    user.subscribe(() => (notices += 1));
    ready.push(user.ready());
  }
  await Promise.all(ready);
  return (text) => wire.receive(text);
}
