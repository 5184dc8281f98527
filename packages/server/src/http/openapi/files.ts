import {
  byPath,
  conditions,
  fenceQuery,
  json,
  ok,
  once,
  type Operation,
  writeErrors,
} from './operation.ts';
import { text } from './schema.ts';
import { ref } from './schemas.ts';

/** Of files. */
export const fileOperations: readonly Operation[] = [
  ...byPath('files', {
    method: 'get',
    id: 'readFile',
    summary: 'The bytes of a file, whole or in ranges.',
    scope: 'files:read',
    headers: ['Range', 'If-Range', 'If-None-Match'],
    answers: {
      200: { says: 'The bytes, as what they were put as.', type: '*/*' },
      206: { says: 'The ranges asked for; several as `multipart/byteranges`.', type: '*/*' },
      304: { says: 'You have it already.' },
    },
    errors: [400, 416],
  }),
  ...byPath('files', {
    method: 'put',
    id: 'putFile',
    summary: 'Upload a file, whole or piece by piece.',
    scope: 'files:write',
    query: { filename: text, ...fenceQuery },
    headers: [
      ...conditions,
      once,
      'Content-Range',
      'Holdfast-Content-Hash',
      'Repr-Digest',
      'Content-Disposition',
    ],
    body: { type: 'application/octet-stream', schema: text },
    answers: {
      ...ok('Replaced.', ref('FileWritten')),
      201: { says: 'Written.', type: json, schema: ref('FileWritten') },
      202: { says: 'More is to come.', type: json, schema: ref('Received') },
    },
    errors: writeErrors,
  }),
  ...byPath('files', {
    method: 'delete',
    id: 'deleteFile',
    summary: 'Remove the entry of a file.',
    scope: 'files:write',
    query: fenceQuery,
    headers: ['If-Match', once],
    answers: ok('Removed.', ref('Written')),
    errors: writeErrors,
  }),
  {
    method: 'get',
    path: '/api/files/{hash}',
    id: 'readContent',
    summary: 'Content by its hash, where an entry with it may be read.',
    scope: 'files:read',
    query: { store: text, path: text },
    headers: ['Range', 'If-Range', 'If-None-Match'],
    answers: {
      200: { says: 'The bytes, as what they were put as.', type: '*/*' },
      206: { says: 'The ranges asked for; several as `multipart/byteranges`.', type: '*/*' },
      304: { says: 'You have it already.' },
    },
    errors: [400, 416],
  },
];
