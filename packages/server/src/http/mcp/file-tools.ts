import { isBase64, isObject, refuse } from '@holdfast/protocol';

import { filenameIn } from '../disposition.ts';
import { refused } from '../errors.ts';
import { type Desk, type JsonAnswer, storePath } from './desk.ts';
import type { Told } from './fields.ts';
import { absent, fence, match, once, path, repeatable, store, type Tool } from './tool.ts';

/** Of content that is told in an answer: more of it is no use to an agent. */
const CONTENT_BYTES = 4 * 1024 * 1024;

async function putFile(told: Told, desk: Desk): Promise<JsonAnswer> {
  const { content, filename, content_type: type = 'application/octet-stream' } = told;
  if (typeof content !== 'string' || !isBase64(content)) throw refused(refuse('invalid_base64'));
  return desk.ask('PUT', `${storePath(told)}/file`, {
    query: { path: told['path'], filename, fence: leaseIn(told) },
    body: Buffer.from(content, 'base64'),
    headers: { 'Content-Type': String(type), ...guardsIn(told), ...once(told) },
  });
}

/** The guards of a write as headers; the route says no to what is none of its revisions. */
function guardsIn({ if_match: revision = null, if_absent: isAbsent = null }: Told): {
  readonly [name: string]: string;
} {
  const isWellFormed =
    (revision === null || typeof revision === 'number') && (isAbsent === null || isAbsent === true);
  if (!isWellFormed) throw refused(refuse('invalid_precondition'));
  return {
    ...(revision !== null && { 'If-Match': `"${revision}"` }),
    ...(isAbsent !== null && { 'If-None-Match': '*' }),
  };
}

/** The lease that a write relies on, as its route takes it. */
function leaseIn({ fence: lease = null }: Told): string | undefined {
  if (lease === null) return undefined;
  const { key, token } = isObject(lease) ? lease : {};
  if (typeof key === 'string' && typeof token === 'number') return `${key}:${token}`;
  throw refused(refuse('invalid_precondition'));
}

async function getFile(told: Told, desk: Desk): Promise<JsonAnswer> {
  const query = { path: told['path'] };
  const { headers, body } = await desk.fetch('GET', `${storePath(told)}/file`, { query });
  const size = Number(headers.get('content-length'));
  const file = {
    path: told['path'],
    hash: (headers.get('etag') ?? '').replaceAll('"', ''),
    size,
    content_type: headers.get('content-type'),
    filename: filenameIn(headers.get('content-disposition') ?? undefined),
  };
  if (told['include_content'] === true && size <= CONTENT_BYTES) {
    const bytes = await new Response(body).arrayBuffer();
    return { ...file, content: Buffer.from(bytes).toString('base64') };
  }
  await body?.cancel();
  if (told['include_content'] !== true) return file;
  throw refused(refuse('file_too_large', { limit: CONTENT_BYTES }));
}

/** Files by their paths. */
export const fileTools: readonly Tool[] = [
  {
    name: 'holdfast_put_file',
    says: 'Stores a file at a path.',
    fields: {
      store,
      path,
      content: { type: 'text', says: 'The bytes in base64.' },
      filename: { type: 'text', says: 'Its name.', optional: true },
      content_type: { type: 'text', says: 'Such as image/png.', optional: true },
      if_match: match,
      if_absent: absent,
      fence,
      ...repeatable,
    },
    run: putFile,
  },
  {
    name: 'holdfast_get_file',
    says: 'Says what file is at a path: hash, size, type, name; and its bytes in base64 if you ask for them.',
    reads: true,
    fields: {
      store,
      path,
      include_content: {
        type: 'flag',
        says: 'Whether to tell the bytes, at most 4 MiB.',
        optional: true,
      },
    },
    run: getFile,
  },
];
