import {
  isRefusal,
  type Path,
  type PutFile,
  type Refusal,
  refuse,
  type Request,
} from '@holdfast/protocol';
import {
  type FileRule,
  type FileWrite,
  forbidden,
  type NamedFile,
  type Tree,
} from '@holdfast/engine/data';
import { grantsOf, mayUseStore, orgOf, type Principal } from '../access/index.ts';
import { BlobError, type ByteRange, isBlobHash } from '../blobs/index.ts';
import { contentOf } from '../storage/batch.ts';
import { type FileContent, type FilePlace, StorageError, type StoreRow } from '../storage/port.ts';
import { Collector } from './collector.ts';
import { Intake, type KeptContent } from './intake.ts';
import { filesNamedBy } from './named.ts';
import { ContentRefused } from './refused.ts';
import { replacedIn } from './replaced.ts';
import type { FilesRoom } from './room.ts';
import { Unfinished } from './unfinished.ts';

const retryMs = 1000;
const atOnce = 64;
/** How much content of pushes may be on its way to the blobs at a time. */
const inHandMax = 256 * 1024 * 1024;

/** The verdict on a request's files: why it must not name one of them; null if it may. */
export type FileVerdict = Refusal | null;

/** What an entry of a file says about it beside its content. */
export type FileLabel = {
  readonly contentType: string;
  readonly filename: string | null;
};

/** An entry that names content, and why a principal may not download by it; null if it may. */
export type FilePlaceFound = FilePlace & { readonly denied: 'store' | 'path' | 'record' | null };

/** Who pushes a file, and to which store. */
type Pusher = {
  readonly principal: Principal;
  readonly host: { readonly row: StoreRow; view(): { readonly tree: Tree } };
};

/** The files of all stores: who may name what, where content comes in, and where it is read (stores.md §14). */
export class Files {
  readonly collector: Collector;
  readonly intake: Intake;
  readonly #room: FilesRoom;
  #inHand = 0;

  constructor(room: FilesRoom) {
    this.#room = room;
    const unfinished = new Unfinished(room);
    this.collector = new Collector(room, unfinished);
    this.intake = new Intake(room, this.collector, unfinished);
  }

  /** Judges the files that a request names; null at once for the many that name none. */
  judge(
    principal: Principal,
    storeId: string,
    request: Request | FileWrite | Refusal,
  ): Promise<FileVerdict> | null {
    const named = filesNamedBy(request);
    return named.length === 0 ? null : this.#judgeAll(principal, storeId, named);
  }

  /** Judges the same way what mutations of records make: what comes of an input is known only when they have run. */
  ruleOf(principal: Principal, storeId: string): FileRule {
    return (made) => this.#judgeAll(principal, storeId, made);
  }

  /** How many bytes of files go where one is put at a path. Nobody looks where no quota asks, for much may be below. */
  replacedAt(tree: Tree, path: Path): number {
    if (this.#room.quotas?.file_storage === undefined) return 0;
    return replacedIn(tree, path);
  }

  /** Why content that is yet to come has no place; the commit judges it again (stores.md §14.2). */
  async refuseSpace(
    storeId: string,
    coming: { readonly hash: string | null; readonly size: number; readonly replaced: number },
  ): Promise<Refusal | null> {
    const limit = this.#room.quotas?.file_storage;
    if (limit === undefined) return null;
    const { hash, size, replaced } = coming;
    // What is held already may cost nothing; and of what has no name yet nobody knows whether it is.
    const mayBeHeld =
      hash === null ? size <= limit : (await this.#room.storage.files.held(storeId, hash)) !== null;
    return mayBeHeld ? null : this.intake.refuseMore(storeId, size, replaced);
  }

  /** Keeps what a `put_file` push brought, and says what is to be written for it; or why not (stores.md §7.5). */
  async take({ host, principal }: Pusher, file: PutFile): Promise<FileWrite | Refusal> {
    const { content, filename, contentType, op, path, ...guards } = file;
    if (!mayWrite(principal, path)) return forbidden(path);
    const bytes = Buffer.from(content, 'base64');
    const { max_file_bytes: limit } = this.#room.limits;
    if (bytes.byteLength > limit) return refuse('file_too_large', { limit });
    if (this.#inHand + bytes.byteLength > inHandMax) {
      return refuse('overloaded', { retry_after_ms: retryMs });
    }
    this.#inHand += bytes.byteLength;
    try {
      const replaced = this.replacedAt(host.view().tree, path);
      const kept = await this.intake.keep(host.row.id, bytes, replaced);
      const label = { filename, contentType: contentType ?? 'application/octet-stream' };
      return { op, path, value: this.envelope(kept, label), ...guards };
    } catch (error) {
      return this.toldTo(principal, host.row, this.refusalOf(error));
    } finally {
      this.#inHand -= bytes.byteLength;
    }
  }

  /** The value of an entry that names content which was just uploaded. */
  envelope({ hash, size }: KeptContent, { contentType, filename }: FileLabel): FileWrite['value'] {
    return {
      _type: 'file',
      hash,
      size,
      content_type: contentType,
      filename,
      uploaded_at: new Date(this.#room.clock.wall()).toISOString(),
    };
  }

  /** The bytes of content, or of a part; null if they are not there. */
  open({ hash }: FileContent, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null> {
    return isBlobHash(hash) ? this.#room.blobs.read(hash, range) : Promise.resolve(null);
  }

  /** Whether an entry of a store names content: another one takes no room (stores.md §12.3). */
  async isNamed(store: StoreRow, hash: string): Promise<boolean> {
    for await (const place of this.#room.storage.files.places(hash, orgOf(store.name))) {
      if (place.store.id === store.id) return true;
    }
    return false;
  }

  /** The entries that name content in the principal's orgs, and whether it may download by them (stores.md §11.2.5). */
  async *placesOf(principal: Principal, hash: string): AsyncIterable<FilePlaceFound> {
    for (const org of principal.orgs) {
      for await (const place of this.#room.storage.files.places(hash, org)) {
        const denied = denialOf(principal, place);
        const isHidden =
          denied === null && (await this.#room.sight?.hides(principal, place)) === true;
        yield { ...place, denied: isHidden ? 'record' : denied };
      }
    }
  }

  /** What a client is told of a medium that failed; anything else is a bug and goes on. */
  refusalOf(error: unknown): Refusal {
    if (error instanceof ContentRefused) return error.refusal;
    const isSuperseded = error instanceof BlobError && error.reason === 'superseded';
    if (!(error instanceof BlobError || error instanceof StorageError)) throw error;
    if (!isSuperseded) this.#room.report('files are not available', error);
    return refuse('unavailable', { retry_after_ms: retryMs });
  }

  /** A refusal as a principal may hear it: whoever reads only a part does not learn how full the store is. */
  toldTo(principal: Principal, store: StoreRow, refusal: Refusal): Refusal {
    if (refusal.code !== 'limit_exceeded' || this.#readsAll(principal, store)) return refusal;
    const { current: _, ...rest } = refusal.details;
    return refuse(refusal.code, rest);
  }

  #readsAll(principal: Principal, store: StoreRow): boolean {
    const { pathRules = null, scopes } = principal;
    const mayHide = this.#room.sight?.mayHide(principal, store) ?? false;
    return pathRules === null && scopes.has('entries:read') && !mayHide;
  }

  async #judgeAll(
    principal: Principal,
    storeId: string,
    named: readonly NamedFile[],
  ): Promise<FileVerdict> {
    for (let at = 0; at < named.length; at += atOnce) {
      const some = named.slice(at, at + atOnce);
      // oxlint-disable-next-line no-await-in-loop -- not thousands of questions at once
      const verdicts = await Promise.all(some.map((file) => this.#judge(principal, storeId, file)));
      const refusal = verdicts.find(isRefusal);
      if (refusal !== undefined) return refusal;
    }
    return null;
  }

  async #judge(principal: Principal, storeId: string, file: NamedFile): Promise<FileVerdict> {
    const { hash, size, opIndex } = file;
    const details = { hash, ...(opIndex !== undefined && { op_index: opIndex }) };
    const unknown = refuse('unknown_file', details);
    if (!principal.scopes.has('files:write') || !isBlobHash(hash)) return unknown;
    try {
      const found = await this.#sizeFor(principal, storeId, hash);
      if (found !== size || (await this.#room.blobs.stat(hash)) !== size) return unknown;
      return (await this.#room.storage.files.spare({ hash, size }, null)) ? null : unknown;
    } catch (error) {
      return this.refusalOf(error);
    }
  }

  /** The size of content that the principal may name in this store; null if it may not. */
  async #sizeFor(principal: Principal, storeId: string, hash: string): Promise<number | null> {
    const own = await this.#room.storage.files.held(storeId, hash);
    if (own !== null) return own;
    if (!principal.scopes.has('files:read')) return null;
    for await (const { denied, value } of this.placesOf(principal, hash)) {
      if (denied === null) return contentOf(value)?.size ?? null;
    }
    return null;
  }
}

/** Whether a principal may write the entry at a path (stores.md §11.2.1). */
export function mayWrite(principal: Principal, path: Path): boolean {
  return grantsOf(principal.pathRules ?? null).write.covers(path);
}

/** Whether a principal may read the entry at a path (stores.md §11.2.1). */
export function mayRead(principal: Principal, path: Path): boolean {
  return grantsOf(principal.pathRules ?? null).read.covers(path);
}

function denialOf(
  principal: Principal,
  { store, path }: { readonly store: StoreRow; readonly path: Path },
): 'store' | 'path' | null {
  if (!mayUseStore(principal, store)) return 'store';
  return mayRead(principal, path) ? null : 'path';
}
