import fc from 'fast-check';
import { isRefusal, refuse } from '@holdfast/protocol';
import {
  decodeChunk,
  encodeChunk,
  headText,
  isModuleName,
  peerViewTopic,
  readAllowUpload,
  readAllowUploadReply,
  readEnvelope,
  readParamsChange,
  readUploadError,
  readUploadJoin,
  readUploadProgress,
  readUploadRef,
  readViewCommand,
  readViewJoin,
  readViewJoinReply,
  readViewReply,
  rootOfTopic,
  streamNameOf,
  tailText,
  viewTopic,
} from '@holdfast/protocol/views';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('vectors/views/', import.meta.url);
const vectors = readdirSync(folder).filter((name) => name.endsWith('.json'));

type Vector = { frames: { dir: string; event: string; payload: Record<string, unknown> }[] };

test.each(vectors)(
  'every frame of the vector %s can be read, and envelopes as they are',
  (name) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a file of this repository
    const { frames } = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Vector;
    for (const { event, payload } of frames) {
      if (event === 'patch') expect(readEnvelope(payload)).toEqual(payload);
      if (event === 'phx_reply') expect(readViewReply(payload)).toMatchObject(payload);
      if (event === 'phx_join') {
        const topic = `musubi:connection:${String(payload['module'])}:${String(payload['id'])}`;
        expect(readViewJoin(payload, topic)).toMatchObject(payload);
      }
      if (event === 'command' && payload['name'] !== undefined) {
        expect(readViewCommand(payload)).toMatchObject(payload);
      }
      if (event === 'allow_upload') expect(readAllowUpload(payload)).toMatchObject(payload);
    }
  },
);

function isJoin(peer: unknown, on: string): boolean {
  return !isRefusal(readViewJoin({ module: 'A', id: 'x:y', peer }, on));
}

test('a root of one of several peers has a topic of its own, which no other name leads to', () => {
  const own = peerViewTopic('tab-1', 'A:x:y');
  expect([isJoin('tab-1', own), rootOfTopic(own)]).toEqual([true, 'A:x:y']);
  expect(rootOfTopic(viewTopic('A:x:y'))).toBe('A:x:y');
  expect(isJoin(undefined, own)).toBe(false);
  expect(isJoin('tab-2', own)).toBe(false);
  expect(isJoin('tab-1', viewTopic('A:x:y'))).toBe(false);
  for (const odd of ['', 'a:b', 'a b', 'x'.repeat(65)]) {
    expect(isJoin(odd, peerViewTopic(odd, 'A:x:y'))).toBe(false);
  }
  expect(rootOfTopic('musubi:other:A:x')).toBe(null);
});

const topic = 'musubi:connection:App.Board:main';
const join = { module: 'App.Board', id: 'main', params: { a: 1 } };

test('a join is refused for the first thing that is wrong with it', () => {
  const refused = (payload: unknown, on = topic): unknown => {
    const read = readViewJoin(payload, on);
    return isRefusal(read) ? read.code : read;
  };
  expect(refused(null)).toBe('missing required field');
  expect(refused({ id: '' })).toBe('missing required field');
  expect(refused({ ...join, module: '' })).toBe('missing required field');
  expect(refused({ ...join, id: '', params: [] })).toBe('missing root id');
  expect(refused({ ...join, id: 'é'.repeat(257) })).toBe('missing root id');
  expect(refused({ ...join, params: [] })).toBe('params must be a map');
  expect(refused({ ...join, params: null })).toBe('params must be a map');
  expect(refused(join, `${topic}:x`)).toBe('unauthorized');
  expect(readViewJoin({ module: 'App.Board', id: 'main' }, topic)).toEqual({
    module: 'App.Board',
    id: 'main',
    params: {},
    capver: null,
    resume: null,
  });
});

function claim(resume: unknown): unknown {
  const read = readViewJoin({ ...join, capver: 4, resume }, topic);
  return isRefusal(read) ? read : read.resume;
}

test('a claim that cannot be read asks for a first join that can be resumed', () => {
  expect(claim({ instance: 'n1.x', version: 7 })).toEqual({ instance: 'n1.x', version: 7 });
  expect(claim({ instance: 'n1.x', version: -1 })).toEqual({ instance: null, version: 0 });
  expect(claim({})).toEqual({ instance: null, version: 0 });
  expect(claim(undefined)).toBeNull();
});

test('a command has a name before it has anything else', () => {
  expect(readViewCommand({ payload: {} })).toEqual(refuse('missing required field'));
  expect(readViewCommand({ name: '' })).toEqual(refuse('missing required field'));
  expect(readViewCommand({ name: 'x', store_id: 'a' })).toEqual(refuse('unknown store'));
  const read = [0, 1, 64, 65].map((length) =>
    readViewCommand({ name: 'x', client_op_id: 'x'.repeat(length) }),
  );
  expect(read.map(isRefusal)).toEqual([true, false, false, true]);
  expect(readViewCommand({ name: 'x' })).toEqual({
    store_id: [],
    name: 'x',
    payload: {},
    client_op_id: null,
  });
});

const envelope = {
  type: 'patch',
  root_id: 'a:b',
  base_version: 1,
  version: 2,
  ops: [{ op: 'remove', path: '/a' }],
  stream_ops: [],
  upload_ops: [],
  events: [],
};

test('an older server may leave out upload ops and events, and nothing else', () => {
  const { upload_ops: _, events: __, ...older } = envelope;
  expect(readEnvelope(older)).toEqual(envelope);
  for (const key of Object.keys(older)) {
    expect(readEnvelope({ ...older, [key]: undefined })).toBeNull();
  }
});

test('ops that are not known spoil an envelope; upload ops that are not known are left out', () => {
  expect(readEnvelope({ ...envelope, ops: [{ op: 'move', path: '/a', from: '/b' }] })).toBeNull();
  expect(readEnvelope({ ...envelope, ops: [{ op: 'add', path: '/a' }] })).toBeNull();
  const sort = { op: 'sort', stream: 's', store_id: [] };
  expect(readEnvelope({ ...envelope, stream_ops: [sort] })).toBeNull();
  const reset = { op: 'reset', upload: 'u', store_id: [] };
  const uploads = [{ ...reset, op: 'rename' }, reset];
  expect(readEnvelope({ ...envelope, upload_ops: uploads })?.upload_ops).toEqual([reset]);
});

/** Copies of a value in each of which one member is of no kind that it may be; `free` may be anything. */
function* spoilt(value: object, free: readonly string[]): Generator<object> {
  for (const [name, member] of Object.entries(value)) {
    if (free.includes(name)) continue;
    const put = (other: unknown): object =>
      Array.isArray(value) ? value.with(Number(name), other) : { ...value, [name]: other };
    yield put(Symbol('odd'));
    if (typeof member !== 'object' || member === null) continue;
    for (const inside of spoilt(member, free)) yield put(inside);
  }
}

test('of what a server sends nothing is read as an envelope, or as a reply to allow_upload, that has an odd part', () => {
  const at = { stream: 's', store_id: ['a'], item_key: 'k' };
  const full = {
    ...envelope,
    ops: [{ op: 'remove', path: '/a' }],
    stream_ops: [
      { op: 'insert', ...at, at: -1, item: 1, limit: 3 },
      { op: 'delete', ...at },
    ],
    events: [{ store_id: ['a'], name: 'said', payload: 1 }],
  };
  const reply = {
    ref: 'avatar',
    config: { accept: ['.png'], max_entries: 1, max_file_size: 2, chunk_size: 3 },
    entries: {
      0: { type: 'channel', entry_ref: 'u_1', token: 't' },
      1: { type: 'external', entry_ref: 'u_2', uploader: 's3', meta: {} },
    },
    errors: [{ client_ref: '2', error: { code: 'too_large', message: 'no' } }],
  };
  expect(readEnvelope(full)).toEqual(full);
  expect(readAllowUploadReply(reply)).toEqual(reply);
  const read = [
    ...[...spoilt(full, ['item', 'payload'])].map((odd) => readEnvelope(odd)),
    ...[...spoilt(reply, ['meta'])].map((odd) => readAllowUploadReply(odd)),
  ];
  expect(read.length).toBeGreaterThan(40);
  expect(read.filter((each) => each !== null)).toEqual([]);
  const { item: _, ...bare } = { ...full.stream_ops[0], item: 1 };
  expect(readEnvelope({ ...full, stream_ops: [bare] })).toBeNull();
});

test('head and tail make the text of an envelope', () => {
  const tail = tailText({
    ops: [{ op: 'remove', path: '/a' }],
    stream_ops: [],
    upload_ops: [],
    events: [],
  });
  expect(JSON.parse(headText('a:b', 1, 2) + tail)).toEqual(envelope);
});

test('a slot with another member beside it is plain data', () => {
  expect(streamNameOf({ __musubi_stream__: 'log' })).toBe('log');
  expect(streamNameOf({ __musubi_stream__: 'log', more: 1 })).toBeNull();
});

test('a module has a name of 1 to 200 plain characters', () => {
  expect(isModuleName('App.Board_2-x')).toBe(true);
  expect(['', 'a:b', 'a b', 'x'.repeat(201)].filter(isModuleName)).toEqual([]);
});

test('progress is clamped, a message is cut, and an ill-formed file refuses itself alone', () => {
  const at = { name: 'avatar', ref: 'u_1' };
  expect(readUploadProgress({ ...at, progress: 140 })).toMatchObject({ progress: 100 });
  expect(readUploadProgress({ ...at, progress: 1.5 })).toMatchObject({ progress: 0 });
  expect(readUploadProgress(at)).toEqual(refuse('missing required field'));
  for (const odd of [{ name: '' }, { store_id: 'a' }, { ref: '' }, { ref: 1 }]) {
    expect(readUploadRef({ ...at, ...odd })).toEqual(refuse('missing required field'));
  }
  expect(readUploadError({ ...at, message: 'x'.repeat(300) })).toMatchObject({
    message: 'x'.repeat(200),
  });
  expect(
    readAllowUpload({ name: 'avatar', entries: [{ client_ref: 1, name: 'a', size: -1 }] }),
  ).toEqual({
    name: 'avatar',
    store_id: [],
    entries: [{ client_ref: null, name: 'a', size: null, type: '' }],
  });
});

test('a chunk comes out as it went in', () => {
  fc.assert(
    fc.property(
      fc.tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.string({ maxLength: 50 })),
      fc.uint8Array(),
      fc.constantFrom(null, '3'),
      ([topicName, event], payload, joinRef) => {
        const frame = { joinRef, ref: null, topic: topicName, event, payload };
        expect(decodeChunk(encodeChunk(frame))).toEqual(frame);
      },
    ),
    { numRuns: 50 },
  );
  expect(decodeChunk(Uint8Array.of(0, 0, 0, 1, 0, 0xff))).toBeNull();
  expect(decodeChunk(Uint8Array.of(0, 0, 0, 2, 0, 0x61))).toBeNull();
  expect(() =>
    encodeChunk({
      joinRef: null,
      ref: null,
      topic: 'x'.repeat(256),
      event: '',
      payload: new Uint8Array(),
    }),
  ).toThrow(RangeError);
});

test('nothing that a socket may bring makes a reader throw', () => {
  const readers = [
    readEnvelope,
    readAllowUpload,
    readAllowUploadReply,
    readParamsChange,
    readUploadError,
    readUploadJoin,
    readUploadProgress,
    readUploadRef,
    readViewCommand,
    readViewJoinReply,
    readViewReply,
    (value: unknown) => readViewJoin(value, topic),
  ];
  const noise = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom(
        'type',
        'ops',
        'events',
        'stream_ops',
        'upload_ops',
        'entries',
        'name',
        'id',
        'params',
        '__proto__',
      ),
      fc.oneof(
        fc.jsonValue(),
        fc.array(fc.dictionary(fc.constantFrom('op', 'path', 'ref', 'entry'), fc.jsonValue())),
      ),
    ),
  );
  fc.assert(
    fc.property(noise, fc.uint8Array(), (value, bytes) => {
      for (const read of readers) read(value);
      decodeChunk(bytes);
    }),
    { numRuns: 200 },
  );
});
