import { Replica } from '@holdfast/engine/replica';
import { asGlob, asPath, defaultLimits, type Entry } from '@holdfast/protocol';
import { joinReply } from '../load/join-reply.ts';
import { settings } from './answers.ts';

/* A replica without a client around it, in a process of its own, so that its CPU time is nobody else's. */
const leaves = Number(settings()['leaves']);
const pending = Number(settings()['pending']);
const events = Number(settings()['events']);
const at = { now: 0, wall: 0 };

const replica = new Replica({
  topic: 'store:bench/main',
  patterns: [asGlob('**')],
  deviceId: 'bench',
  limits: defaultLimits,
  random: () => 0.5,
  image: {
    seq: leaves,
    incarnation: 'feeder',
    scope: 'all',
    patterns: [asGlob('**')],
    entries: entries(),
    maps: [],
    outbox: [],
  },
});
replica.step({ ...at, type: 'joined', response: joinReply(leaves) });
replica.step({
  ...at,
  type: 'message',
  event: 'catch_up_complete',
  payload: { through_seq: leaves },
});
for (let count = 0; count < pending; count += 1) {
  const request = { op: 'set', path: asPath(`mine/${count}`), value: count } as const;
  replica.step({ ...at, type: 'request', opId: `bench:s:${count}`, request });
}
let seq = leaves;

process.on('message', (question) => {
  if (question === 'events') process.send?.(measure());
  if (question === 'stop') process.exit(0);
});
process.send?.(0);

/** Microseconds of CPU time per event. */
function measure(): number {
  feed(events / 2);
  const before = process.cpuUsage();
  feed(events);
  const { user, system } = process.cpuUsage(before);
  const { phase, seq: reached, pending: waiting } = replica.status();
  if (phase !== 'live' || reached !== seq || waiting !== pending) throw new Error('out of step');
  return (user + system) / events;
}

function feed(count: number): void {
  for (let index = 0; index < count; index += 1) {
    const from = seq;
    seq += 1;
    const path = pathOf((seq * 7919) % leaves);
    const op = [seq, 'set', path, `value ${seq}`, 'feeder', `feeder:s:${seq}`];
    const payload = { from_seq: from, to_seq: seq, ops: [op] };
    replica.step({ ...at, type: 'message', event: 'events', payload });
  }
}

function* entries(): Iterable<Entry> {
  for (let index = 0; index < leaves; index += 1) {
    const revision = index + 1;
    yield { path: asPath(pathOf(index)), value: `value ${index}`, type: 'string', revision };
  }
}

/** Parts of 1,000 leaves. */
function pathOf(index: number): string {
  const part = String(Math.floor(index / 1000)).padStart(3, '0');
  return `rooms/${part}/items/${String(index % 1000).padStart(3, '0')}`;
}
