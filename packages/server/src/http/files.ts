import { isRefusal, refuse, toPath } from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import type { Principal } from '../access/index.ts';
import { type FilePlaceFound, mayRead } from '../files/index.ts';
import type { Committer } from './commit.ts';
import type { HttpDeps } from './deps.ts';
import { pathOf, writablePathOf } from './entry-path.ts';
import { notFound, type Problem, refused } from './errors.ts';
import { answerFile, fileEntry } from './file-read.ts';
import { deleteFile, writeFile } from './file-write.ts';
import { identify, needScope, readable, readableIn } from './identify.ts';
import { paramOf } from './query.ts';
import { storeNamed, storeOf } from './store-of.ts';
import { openFor } from './open-for.ts';

/** Files by their paths, and content by its hash (stores.md §15.5). */
export function routeFiles(app: Hono, deps: HttpDeps, committer: Committer): void {
  for (const route of ['/api/stores/:org/:store/files/*', '/api/stores/:org/:store/file']) {
    app.get(route, (c) => readFile(c, deps));
    app.put(route, (c) => putFile(c, deps, committer));
    app.delete(route, (c) => removeFile(c, deps, committer));
  }
  app.get('/api/files/:hash', (c) => readContent(c, deps));
}

async function readFile(c: Context, deps: HttpDeps): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'files:read');
  const path = pathOf(c, 'files', deps.limits);
  if (!mayRead(principal, path)) throw forbiddenPath(path);
  const leaf = await openFor(c, { deps, principal, row }, (store) =>
    readableIn(deps, principal, store).covers(path) ? store.view().tree.leaf(path) : undefined,
  );
  const file = leaf === undefined ? null : fileEntry(leaf.value);
  if (file === null) throw notFound();
  return answerFile(c, deps, { file, principal });
}

async function putFile(c: Context, deps: HttpDeps, committer: Committer): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'files:write');
  const path = writablePathOf(c, 'files', deps.limits);
  return writeFile(c, { deps, committer }, { principal, row, path });
}

async function removeFile(c: Context, deps: HttpDeps, committer: Committer): Promise<Response> {
  const principal = await identify(deps, c);
  const row = await storeOf(deps, c, principal);
  needScope(principal, 'files:write');
  const path = writablePathOf(c, 'files', deps.limits);
  return openFor(c, { deps, principal, row }, (store) => {
    // Whether a file is there is for those to know who may read it.
    if (!readableIn(deps, principal, store).covers(path)) throw forbiddenPath(path);
    return deleteFile(c, { deps, committer, store }, { principal, path });
  });
}

/** Knowing a hash grants nothing: there must be an entry with it that the principal may read (stores.md §14.4). */
async function readContent(c: Context, deps: HttpDeps): Promise<Response> {
  const principal = await identify(deps, c);
  needScope(principal, 'files:read');
  await judgeNamed(c, deps, principal);
  for await (const place of deps.files.placesOf(principal, c.req.param('hash') ?? '')) {
    const file = isWanted(c, place) && place.denied === null ? fileEntry(place.value) : null;
    if (file !== null) return answerFile(c, deps, { file, principal });
  }
  throw unfound(c, principal);
}

/** Whether this content is in the store or at the path that is named, is for those to know who may look there. */
async function judgeNamed(c: Context, deps: HttpDeps, principal: Principal): Promise<void> {
  const [store, named] = [paramOf(c, 'store'), paramOf(c, 'path')];
  if (store !== undefined) await storeNamed(deps, principal, store);
  if (named === undefined) return;
  const path = toPath(named);
  if (isRefusal(path)) throw notFound();
  if (!mayRead(principal, path)) throw forbiddenPath(path);
}

/** Why there is nothing to download: told alike whether or not such content is where the principal may not look. */
function unfound(c: Context, principal: Principal): Problem {
  const isPathNamed = paramOf(c, 'path') !== undefined;
  if (!isPathNamed && !readable(principal).isWhole) return forbiddenPath('');
  const mayLook = paramOf(c, 'store') !== undefined || principal.storeAccess.mode === 'all';
  return mayLook ? notFound() : forbiddenStore();
}

/** `store` and `path` choose the entry that the headers come from. */
function isWanted(c: Context, place: FilePlaceFound): boolean {
  const [store, path] = [paramOf(c, 'store'), paramOf(c, 'path')];
  return (store ?? place.store.name) === place.store.name && (path ?? place.path) === place.path;
}

function forbiddenPath(path: string): ReturnType<typeof refused> {
  const message = 'The path rules of this token do not allow this.';
  return refused(refuse('path_not_allowed', { ...(path !== '' && { path }), message }));
}

function forbiddenStore(): ReturnType<typeof refused> {
  const message = 'This token may not use this store.';
  return refused(refuse('store_not_allowed', { message }));
}
