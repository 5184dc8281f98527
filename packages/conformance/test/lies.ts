import { isObject } from '@holdfast/protocol';
import type { Lie, Line, Passing } from './liar.ts';

type Payload = Passing[4];

/** Every way to be broken that the suite has to see: the check that sees it, what is broken, and how. */
export const lies: readonly (readonly [check: string, what: string, lie: Lie])[] = [
  ['1.1', 'lets unknown tokens in', { knock: (query) => query.set('token', 'writer') }],
  ['1.1', 'refuses without saying why', { mute: true }],
  ['1.2', 'looks for no token in the header', { knock: (query) => tokenless(query) }],
  ['1.3', 'lets a nameless socket join', { knock: (query) => named(query) }],
  ['1.4', 'takes capver 99 for 3', { knock: (query) => query.set('capver', '3') }],
  ['1.5', 'hears no text', { out: (frame) => (frame[1] === 'text' ? [] : [frame]) }],
  ['2.1', 'adds to the answer to a heartbeat', reply('ok', (was) => ['ok', { ...was, at: 1 }])],
  ['2.2', 'names another reason', reason('unmatched topic', 'not joined')],
  ['2.3', 'does not close after a leave', dropped('phx_close')],
  ['2.4', 'does not close the first channel', dropped('phx_close')],
  ['2.5', 'takes pushes with an old join_ref', { in: freshened }],
  ['2.6', 'names another reason', reason('unknown_event', 'invalid_payload')],
  ['2.7', 'never closes', { silentClose: true }],
  ['2.8', 'answers out of order', { out: swapped }],
  ['2.9', 'pushes with a join_ref', { out: ([, ...rest]) => [['1', ...rest]] }],
  ['3.1', 'does not tell its limits', without('limits', 'scopes')],
  ['3.2', 'calls it missing', reason('unauthorized', 'store_not_found')],
  ['3.3', 'names no field', response('field', undefined)],
  ['3.4', 'does not complete the catch-up', dropped('catch_up_complete')],
  ['3.5', 'names no scope', response('scope', undefined)],
  ['3.6', 'tells an old head', response('current_seq', 0)],
  ['3.7', 'tells capver 3 of leases', { out: leaked }],
  ['4.1', 'calls floats integers', leaf(2, (type) => (type === 'float' ? 'integer' : type))],
  ['4.2', 'takes merge for set', { in: (frame) => [renamed(frame, 'merge', 'set')] }],
  ['4.3', 'replies another seq', response('store_seq', 1)],
  ['4.4', 'tells the delta, not the total', told(3, (value) => (value === 42.5 ? 2.5 : value))],
  ['4.5', 'gives implied deletes the bare id', told(5, (id) => String(id).replace(/#\d+$/, ''))],
  ['4.6', 'takes increment for set', { in: (frame) => [renamed(frame, 'increment', 'set')] }],
  ['4.7', 'lists in another order', reversed()],
  ['5.1', 'names one reason for all', reason('invalid_escape', 'invalid_path')],
  ['5.2', 'prefers path to path_segments', { in: (frame) => [lacking(frame, 'path_segments')] }],
  ['5.3', 'folds case', { in: folded }],
  ['5.4', 'tells another limit', response('limit', 7)],
  ['6.1', 'tidies decimals', leaf(1, (value) => tidied(value))],
  ['6.2', 'names another reason', reason('reserved_type', 'invalid_value')],
  ['6.3', 'drops a key', { out: (frame) => [entriesOf(frame, (list) => list.slice(1))] }],
  ['6.4', 'does not tell the type', response('type', undefined)],
  ['6.5', 'names another reason', reason('invalid_value', 'invalid_payload')],
  ['7.1', 'does not tell the revision', response('current_revision', undefined)],
  ['7.2', 'ignores if_absent', { in: (frame) => [lacking(frame, 'if_absent')] }],
  ['7.3', 'ignores guards', { in: (frame) => [lacking(frame, 'if_match')] }],
  ['7.4', 'guards maps on capver 3', { in: (frame) => [lacking(frame, 'if_match')] }],
  ['7.5', 'forgets what was removed', response('current_revision', 1)],
  ['7.6', 'ignores fences', { in: (frame) => [lacking(frame, 'fence')] }],
  ['8.1', 'gives another token', response('token', 1)],
  ['8.2', 'releases by any token', { in: (frame) => [lacking(frame, 'nothing', 'release')] }],
  ['8.3', 'names another reason', reason('held', 'conflict')],
  ['8.4', 'takes any ttl', { in: (frame) => [lacking(frame, 'ttl_ms')] }],
  ['8.5', 'does not tell of ends', dropped('lease_expired')],
  ['9.1', 'knows no request again', { in: fresh }],
  ['9.2', 'knows no request again after a cut', { in: fresh }],
  ['9.3', 'takes any content for the same', { in: fresh }],
  ['9.4', 'keeps refusals', { out: remembered }],
  ['9.5', 'makes up ids', { in: fresh }],
  ['9.6', 'knows nothing of what was committed', response('state', 'unknown')],
  ['10.1', 'gives a commit no tx', { out: (frame) => [opsOf(frame, (each) => each.slice(0, 6))] }],
  ['10.2', 'does not say which op', response('op_index', undefined)],
  ['10.3', 'does not say which precondition', response('precondition_index', undefined)],
  ['10.4', 'takes empty transactions', reply('error', () => ['ok', { store_seq: 1 }])],
  ['10.5', 'names another reason', reason('unknown_event', 'unmatched topic')],
  ['11.1', 'replies before the event', { out: hastened }],
  [
    '11.2',
    'tells an op twice',
    { out: (frame) => (frame[3] === 'event' ? [frame, frame] : [frame]) },
  ],
  ['11.2', 'loses an op', { out: lossy }],
  ['11.3', 'adds a field', { out: (frame) => [within(frame, 'event', { tx: null })] }],
  ['11.4', 'begins a frame one too late', { out: (frame) => [within(frame, 'events', shifted)] }],
  ['11.5', 'splits commits', { out: split }],
  ['12.1', 'sends the tail from the beginning', { in: (frame) => [rejoined(frame, 0)] }],
  ['12.1', 'sends too little', { out: lossy }],
  ['12.2', 'is silent where nothing is lacking', dropped('catch_up_complete')],
  ['12.3', 'loses a chunk', { out: (frame) => (frame[4]['index'] === 1 ? [] : [frame]) }],
  ['12.3', 'counts wrongly', { out: (frame) => [within(frame, 'snapshot_end', { entries: 3 })] }],
  [
    '12.4',
    'tells no map revisions',
    { out: (frame) => [within(frame, 'snapshot_chunk', { maps: [] })] },
  ],
  [
    '12.5',
    'ignores the incarnation',
    { in: (frame) => [within(frame, 'phx_join', { incarnation: null })] },
  ],
  ['12.6', 'goes on one chunk too late', { out: (frame, line) => lateChunk(frame, line) }],
  ['12.7', 'loses deletes', { out: (frame) => (frame[4]['op'] === 'delete' ? [] : [frame]) }],
  ['13.1', 'tells everything', { in: (frame) => [within(frame, 'phx_join', { patterns: null })] }],
  ['13.2', 'sends data nobody wants', { in: (frame) => [within(frame, 'phx_join', emptyToAll)] }],
  ['13.3', 'keeps what is removed', { in: (frame) => [within(frame, 'scope', { remove: [] })] }],
  ['13.4', 'takes any pattern', { in: (frame) => [within(frame, 'phx_join', { patterns: null })] }],
  ['13.5', 'takes a star for the rest', { in: (frame) => [within(frame, 'phx_join', starToRest)] }],
];

function reply(of: string, change: (response: Payload) => [string, unknown]): Lie {
  return {
    out: (frame) => {
      const [joinRef, ref, topic, event, payload] = frame;
      if (event !== 'phx_reply' || payload['status'] !== of || ref === joinRef) return [frame];
      const [status, answer] = change(payload['response'] as Payload);
      return [[joinRef, ref, topic, event, { status, response: answer }]];
    },
  };
}

function reason(from: string, to: string): Lie {
  return {
    out: (frame) => [responseOf(frame, (was) => (was['reason'] === from ? { reason: to } : {}))],
  };
}

function response(field: string, value: unknown): Lie {
  return { out: (frame) => [responseOf(frame, (was) => (field in was ? { [field]: value } : {}))] };
}

function without(...fields: readonly string[]): Lie {
  const none = Object.fromEntries(fields.map((field) => [field, undefined]));
  return { out: (frame) => [responseOf(frame, () => none)] };
}

function responseOf(frame: Passing, change: (response: Payload) => Payload): Passing {
  if (frame[3] !== 'phx_reply') return frame;
  const was = frame[4]['response'] as Payload;
  return [
    frame[0],
    frame[1],
    frame[2],
    frame[3],
    { ...frame[4], response: { ...was, ...change(was) } },
  ];
}

function within(
  frame: Passing,
  event: string,
  change: Payload | ((payload: Payload) => Payload),
): Passing {
  if (frame[3] !== event) return frame;
  const more = typeof change === 'function' ? change(frame[4]) : change;
  return [frame[0], frame[1], frame[2], frame[3], { ...frame[4], ...more }];
}

function dropped(event: string): Lie {
  return { out: (frame) => (frame[3] === event ? [] : [frame]) };
}

function lacking(frame: Passing, field: string, op?: string): Passing {
  if (frame[3] !== 'write') return frame;
  const { [field]: _gone, ...rest } = frame[4];
  const payload = op !== undefined && rest['op'] === op ? { ...rest, op: 'delete' } : rest;
  return [frame[0], frame[1], frame[2], frame[3], payload];
}

function renamed(frame: Passing, from: string, to: string): Passing {
  return frame[4]['op'] === from ? within(frame, 'write', { op: to }) : frame;
}

function entriesOf(frame: Passing, change: (list: unknown[]) => unknown[]): Passing {
  return within(frame, 'snapshot_chunk', ({ entries }) => ({
    entries: change(entries as unknown[]),
  }));
}

/** Changes a column of the entries of snapshots. */
function leaf(at: number, change: (was: unknown) => unknown): Lie {
  return {
    out: (frame) => [
      entriesOf(frame, (list) =>
        list.map((entry) => (entry as unknown[]).with(at, change((entry as unknown[])[at]))),
      ),
    ],
  };
}

function reversed(): Lie {
  return { out: (frame) => [entriesOf(frame, (list) => list.toReversed())] };
}

function opsOf(frame: Passing, change: (op: unknown[]) => unknown[]): Passing {
  return within(frame, 'events', ({ ops }) => ({ ops: (ops as unknown[][]).map(change) }));
}

function told(index: number, change: (was: unknown) => unknown): Lie {
  return { out: (frame) => [opsOf(frame, (each) => each.with(index, change(each[index])))] };
}

function tokenless(query: URLSearchParams): void {
  if (query.get('token') === null) query.set('token', 'nobody');
}

function named(query: URLSearchParams): void {
  if (query.get('capver') === null) query.set('capver', '4');
  if (query.get('device_id') === null) query.set('device_id', 'somebody');
}

function freshened(frame: Passing): readonly Passing[] {
  return frame[3] === 'write' ? [[null, frame[1], frame[2], frame[3], frame[4]]] : [frame];
}

function fresh(frame: Passing, line: Line): readonly Passing[] {
  const made = `${Math.random()}-${line.seen.size}`;
  return [within(frame, 'write', { client_op_id: made })];
}

function folded(frame: Passing): readonly Passing[] {
  return [within(frame, 'write', ({ path }) => ({ path: String(path).replace('Users', 'users') }))];
}

/** From the sixth reply on one of two comes late. */
function swapped(frame: Passing, line: Line): readonly Passing[] {
  if (frame[3] !== 'phx_reply' || frame[0] === frame[1] || frame[0] === null) return [frame];
  if (line.held.length === 0 && Number(frame[1]) > 5) {
    line.held.push(frame);
    return [];
  }
  return [frame, ...line.held.splice(0)];
}

/** Replies overtake what came before them. */
function hastened(frame: Passing, line: Line): readonly Passing[] {
  if (frame[3] === 'phx_reply') return [frame, ...line.held.splice(0)];
  if (frame[3] !== 'events' && frame[3] !== 'event') return [frame];
  line.held.push(frame);
  return [];
}

/** The second frame with ops is lost, on every connection. */
function lossy(frame: Passing, line: Line): readonly Passing[] {
  if (frame[3] !== 'events' && frame[3] !== 'event') return [frame];
  line.seen.set(String(line.seen.size), true);
  return line.seen.size === 2 ? [] : [frame];
}

function leaked(frame: Passing): readonly Passing[] {
  return frame[3] === 'event' ? [frame, [null, null, frame[2], 'lease_expired', {}]] : [frame];
}

function remembered(frame: Passing, line: Line): readonly Passing[] {
  if (frame[4]['status'] === 'error') line.seen.set('refused', frame[4]);
  const refused = line.seen.get('refused');
  if (frame[3] !== 'phx_reply' || refused === undefined) return [frame];
  return [[frame[0], frame[1], frame[2], frame[3], refused as Payload]];
}

function tidied(value: unknown): unknown {
  return isObject(value) && value['_type'] === 'decimal'
    ? { _type: 'decimal', _typed: '29.99' }
    : value;
}

function shifted(payload: Payload): Payload {
  return { from_seq: Number(payload['from_seq']) + 1 };
}

function split(frame: Passing): readonly Passing[] {
  const ops = (frame[4]['ops'] ?? []) as unknown[];
  if (frame[3] !== 'events' || ops.length < 2) return [frame];
  const half = Math.floor(ops.length / 2);
  return [
    within(frame, 'events', { ops: ops.slice(0, half) }),
    within(frame, 'events', { ops: ops.slice(half) }),
  ];
}

function rejoined(frame: Passing, cursor: number): Passing {
  return within(frame, 'phx_join', { last_store_seq: cursor });
}

function lateChunk(frame: Passing, line: Line): readonly Passing[] {
  if (frame[3] !== 'snapshot_chunk') return [frame];
  const first = !line.seen.has('chunk') && frame[4]['index'] !== 0;
  line.seen.set('chunk', true);
  return first ? [] : [frame];
}

function emptyToAll({ patterns }: Payload): Payload {
  return Array.isArray(patterns) && patterns.length === 0 ? { patterns: null } : {};
}

function starToRest({ patterns }: Payload): Payload {
  return Array.isArray(patterns) ? { patterns: patterns.map(wide) } : {};
}

function wide(pattern: unknown): unknown {
  return String(pattern).replace('/*/t', '/**');
}
