import { forbidden, type ImportedLeaf } from '@holdfast/engine/data';
import {
  fingerprint,
  isRefusal,
  isReservedPath,
  type Json,
  majorOf,
  type Refusal,
  refuse,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import type { Context, Hono } from 'hono';

import { callerOf, grantsOf, type Principal } from '../access/index.ts';
import { noteAct } from './audit.ts';
import { needPlain } from './body.ts';
import { unguarded } from './conditions.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import { invalidParam, Problem, refused } from './errors.ts';
import { identify, needScope, needValid, stillValid, tellRate, whyShutOut } from './identify.ts';
import { importIdOf, ImportKeys, type Told } from './import-keys.ts';
import { ImportMemory } from './import-memory.ts';
import { type Line, type PathStyle, readLines } from './import-lines.ts';
import { beyondRoom } from './import-room.ts';
import { tarLines } from './import-tar.ts';
import { forStreams, lively, whileAllowed } from './lively.ts';
import { type Write, writeFor } from './open-for.ts';
import { queryOf } from './query.ts';
import { storeOf } from './store-of.ts';

const CHUNK = 1000;
const FAILED_TOLD = 1000;
const RETRY_MS = 1000;
/** One commit is held in memory as a whole. */
const ATOMIC_BYTES_MAX = 64 * 1024 * 1024;
const device = 'system:import';
const parameters = new Set(['headerless', 'mode', 'import_id']);

type Leaf = Extract<Line, { kind: 'leaf' }>;
type Failed = { readonly line: number; readonly path: string | null; readonly reason: string };
/** Lines of one commit; `begun` where they are of an object that a chunk ended amid. */
type Chunk = { readonly lines: Leaf[]; readonly begun: string | null };

/** `POST …/import`: an export, streamed in, in commits of at most 1000 lines, or all in one (stores.md §13.4). */
export function routeImport(app: Hono, deps: HttpDeps): void {
  const keys = new ImportKeys(deps);
  app.post('/api/stores/:org/:store/import', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:write');
    if ((principal.pathRules ?? null) !== null) throw refused(forbidden(null));
    unguarded(c);
    const wanted = readWanted(c, principal);
    needPlain(c.req.raw.headers);
    const isTar = /^application\/x-tar\b/i.test(c.req.header('content-type') ?? '');
    if (isTar) needScope(principal, 'files:write');
    const linesIn = (bytes: AsyncIterable<Uint8Array>): AsyncIterable<Line> =>
      readLines(wanted.isAtomic ? bounded(bytes, ATOMIC_BYTES_MAX) : bytes, {
        limits: deps.limits,
        headerless: wanted.headerless,
      });
    const take = (body: AsyncIterable<Uint8Array>): Promise<Told> =>
      deps.withStore(row.id, async (store) => {
        const intake = new Intake({
          deps,
          store,
          principal,
          importId: wanted.importId ?? deps.newId(),
          isNamed: wanted.importId !== null,
          firstLine: wanted.headerless === null ? 2 : 1,
          needValid: () => needValid(deps, c, principal),
          write: writeFor(c, { deps, principal, store }, () => stillValid(deps, c, principal)),
        });
        const lines = isTar
          ? tarLines(body, { linesIn, files: deps.files, storeId: row.id })
          : linesIn(body);
        await (wanted.isAtomic ? intake.takeAll(lines) : intake.takeByChunks(lines));
        const report = intake.report();
        await intake.note();
        tellRate(c, deps.rates.writes(principal));
        return { status: wanted.isAtomic && !report.ok ? 422 : 200, report };
      });
    return keys.perform(c, { principal, storeId: row.id, body: bodyOf(c, deps, principal), take });
  });
}

type Wanted = {
  readonly headerless: PathStyle | null;
  readonly isAtomic: boolean;
  readonly importId: string | null;
};

type IntakeRoom = {
  readonly deps: HttpDeps;
  readonly store: OpenStore;
  readonly principal: Principal;
  readonly importId: string;
  /** Whoever sends the lines has named them, and may send them again. */
  readonly isNamed: boolean;
  /** The number of the first line that is none of a header. */
  readonly firstLine: number;
  /** Ends the request where whoever sends the lines may do so no more: an upload may outlive its token (stores.md §11.3). */
  readonly needValid: () => Promise<void>;
  readonly write: Write;
};

/** One upload on its way into a store. */
class Intake {
  readonly #room: IntakeRoom;
  readonly #memory: ImportMemory | null;
  readonly #failed: Failed[] = [];
  #failedTotal = 0;
  #unparseable = 0;
  #imported = 0;
  #skipped = 0;
  #seq: Seq;

  constructor(room: IntakeRoom) {
    this.#room = room;
    this.#seq = room.store.standing().head;
    const { deps, store, importId } = room;
    const { keys } = deps.storage;
    const of = { keys, now: deps.now, storeId: store.row.id, importId };
    this.#memory = room.isNamed ? new ImportMemory(of) : null;
  }

  /**
   * Where a chunk ends does not depend on which of its lines are good: lines that are mended move no others. Only the lines
   * of an object that does not pass without those that follow wait for them, and are a commit of their own with them.
   */
  async takeByChunks(lines: AsyncIterable<Line>): Promise<void> {
    let chunk: Chunk = { lines: [], begun: null };
    let place = 0;
    for await (const line of lines) {
      const next = Math.floor((line.line - this.#room.firstLine) / CHUNK);
      const { begun } = chunk;
      const isWhole = chunk.lines.length === CHUNK || (begun !== null && !isOf(begun, line));
      if (chunk.lines.length > 0 && (next !== place || isWhole)) {
        chunk = await this.#commitWithout(chunk, { place, next: line });
      }
      place = next;
      const leaf = await this.#good(line);
      if (leaf !== null) chunk.lines.push(leaf);
    }
    if (chunk.lines.length > 0) await this.#commitWithout(chunk, { place, next: null });
  }

  /** All or nothing: the first bad line leaves the store as it was, and the rest is still read to be reported. */
  async takeAll(lines: AsyncIterable<Line>): Promise<void> {
    const all: Leaf[] = [];
    for await (const line of lines) {
      const leaf = await this.#good(line);
      if (leaf !== null) all.push(leaf);
    }
    if (this.#failedTotal > 0 || all.length === 0) return;
    const { refusal, isRepeat } = await this.#commit(all, this.#cost(all));
    if (refusal === null) this.#count(all.length, isRepeat);
    else for (const line of culprits(all, refusal)) this.#fail(line, refusal);
  }

  async note(): Promise<void> {
    if (this.#imported + this.#failedTotal === 0) return;
    const { deps, store, principal, importId } = this.#room;
    const details = { lines: this.#imported, failed: this.#failedTotal, store_seq: this.#seq };
    const act = { act: 'store.imported', store: store.row, target: importId, details } as const;
    await noteAct(deps, principal, act);
  }

  report(): Told['report'] {
    return {
      ok: this.#failedTotal === 0,
      import_id: this.#room.importId,
      imported: this.#imported,
      skipped: this.#skipped,
      unparseable: this.#unparseable,
      failed: this.#failed,
      failed_total: this.#failedTotal,
      store_seq: this.#seq,
    };
  }

  /** The line if it may be written; else it is noted. */
  async #good(line: Line): Promise<Leaf | null> {
    if (line.kind === 'bad') {
      if (line.reason === 'unparseable') this.#unparseable += 1;
      this.#note(line);
      return null;
    }
    const { deps, store, principal } = this.#room;
    const { path, value } = line.leaf;
    if (isReservedPath(path) && !isOfMajor(value, store.valueAt(path))) {
      this.#fail(line, refuse('schema_skew'));
      return null;
    }
    if (line.leaf.type !== 'file') return line;
    const refusal = await deps.files.judge(principal, store.row.id, { op: 'set', path, value });
    if (isRefusal(refusal)) this.#fail(line, refusal);
    return isRefusal(refusal) ? null : line;
  }

  /**
   * Commits a chunk, without the lines that the store refuses, and those that an upload before this one has brought. Returns
   * those that wait for the lines behind it.
   */
  async #commitWithout(
    { lines: chunk, begun }: Chunk,
    { place, next }: { readonly place: number; readonly next: Line | null },
  ): Promise<Chunk> {
    const known = await this.#memory?.near(place);
    const lines =
      known === undefined ? chunk : chunk.filter((line) => !known.has(this.#print([line])));
    this.#skipped += chunk.length - lines.length;
    // What waited is paid with the chunk that it began in.
    const cost = begun === null ? this.#cost(lines) : { due: 0 };
    let waiting: Chunk = { lines: [], begun: null };
    let rest = lines;
    while (rest.length > 0) {
      // oxlint-disable-next-line no-await-in-loop -- until what is left is accepted
      const { refusal, isRepeat } = await this.#commit(rest, cost);
      if (refusal === null) {
        this.#count(rest.length, isRepeat);
        break;
      }
      // oxlint-disable-next-line no-await-in-loop -- the same
      const bad = new Set(await this.#culprits(rest, refusal));
      const object = begun === null && next !== null ? objectAmid(refusal, next) : null;
      if (object !== null) waiting = { lines: [...bad], begun: object };
      else for (const line of bad) this.#fail(line, refusal);
      rest = rest.filter((line) => !bad.has(line));
    }
    if (rest.length > 0) {
      await this.#memory?.keep(
        place,
        rest.map((line) => this.#print([line])),
      );
    }
    return waiting;
  }

  #print(lines: readonly Leaf[]): number {
    const leaves: readonly ImportedLeaf[] = lines.map(({ leaf }) => leaf);
    return fingerprint({ op: 'import', path: this.#room.importId, value: leaves });
  }

  /** A quota refuses all that it has no room for, at once: a full store is not tried line by line. */
  async #culprits(lines: readonly Leaf[], refusal: Refusal): Promise<readonly Leaf[]> {
    const { deps, store } = this.#room;
    const beyond = await beyondRoom(lines, refusal.details, { store, files: deps.files });
    return beyond.length > 0 ? beyond : culprits(lines, refusal);
  }

  /** One write for each thousand lines, paid once however often they are tried (stores.md §12.2). */
  #cost(lines: readonly Leaf[]): { due: number } {
    return { due: Math.ceil(lines.length / CHUNK) };
  }

  async #commit(
    lines: readonly Leaf[],
    cost: { due: number },
  ): Promise<{ refusal: Refusal | null; isRepeat: boolean }> {
    const { deps, store, importId } = this.#room;
    await this.#room.needValid();
    // By their content too: a repeat may send another selection of the same lines, where some were refused.
    const content = this.#print(lines);
    const opId = `${importId}:${lines[0]?.line ?? 0}:${content.toString(36)}`;
    const ids = [{ deviceId: device, opId }];
    const known = await deps.storage.answers(store.row.id, { ids, clients: [] });
    const before = store.standing().head;
    const reply = await this.#write(lines, { opId, fingerprint: content }, cost);
    const isLater = isRefusal(reply) && reply.retry === 'later';
    if (!isLater) cost.due = 0;
    if (!isRefusal(reply)) {
      this.#seq = Math.max(before, seqIn(reply) ?? before);
      return { refusal: null, isRepeat: known.answers.length > 0 };
    }
    // Not about a line: the whole has to wait, or is none of the store's. A disk that is full may stay so.
    if (reply.code === 'unavailable') throw refused(reply);
    if (isLater) await this.#pause(reply);
    else if (!isAboutLine(reply)) throw refused(reply);
    return isLater ? this.#commit(lines, cost) : { refusal: reply, isRepeat: false };
  }

  #write(
    lines: readonly Leaf[],
    id: { readonly opId: string; readonly fingerprint: number },
    { due }: { readonly due: number },
  ): Promise<WriteReply | Refusal> {
    const { deps, store, principal, write } = this.#room;
    const request = {
      deviceId: device,
      ...id,
      principal: principal.subject,
      request: { op: 'import', leaves: lines.map(({ leaf }) => leaf) } as const,
      rate: deps.rates.write(principal, due),
      files: null,
      caller: callerOf(principal, deps.veilOf?.(principal, store) ?? null),
      ...(principal.pathRules && { grants: grantsOf(principal.pathRules) }),
    };
    return write(request);
  }

  #pause({ details }: Refusal): Promise<void> {
    const wait = Number(details['retry_after_ms'] ?? RETRY_MS);
    return new Promise((resolve) => this.#room.deps.clock.setTimeout(resolve, wait));
  }

  #count(lines: number, isRepeat: boolean): void {
    if (isRepeat) this.#skipped += lines;
    else this.#imported += lines;
  }

  #fail({ line, leaf }: Leaf, refusal: Refusal): void {
    this.#note({ line, path: leaf.path, reason: refusal.code });
  }

  #note({ line, path, reason }: Failed): void {
    this.#failedTotal += 1;
    if (this.#failed.length < FAILED_TOLD) this.#failed.push({ line, path, reason });
  }
}

function seqIn(reply: WriteReply): Seq | null {
  return 'store_seq' in reply ? reply.store_seq : null;
}

/** Objects of another version than those that are there would not be known from them (records.md §3.5). */
function isOfMajor(version: Json, known: Json | undefined): boolean {
  return known === undefined || majorOf(known) === majorOf(version);
}

function isAboutLine({ details, code }: Refusal): boolean {
  const isIndexed = typeof details['op_index'] === 'number' || code === 'limit_exceeded';
  return isIndexed || typeof details['record'] === 'string';
}

/** The object that does not pass yet, where the next line is of it, too. */
function objectAmid({ code, details: { record, path } }: Refusal, next: Line): string | null {
  const isOfObject = typeof record === 'string' && typeof path === 'string';
  return code === 'invalid_value' && isOfObject && isOf(path, next) ? path : null;
}

/** Whether a line is of an object; one that cannot be read ends none. */
function isOf(object: string, line: Line): boolean {
  const path = line.kind === 'leaf' ? line.leaf.path : line.path;
  return path === null || path.startsWith(`${object}/`);
}

/** The lines that a refusal is about: those of an object that its record does not let pass are refused together. */
function culprits(lines: readonly Leaf[], { details }: Refusal): readonly Leaf[] {
  const { op_index: index, record, path } = details;
  if (typeof record === 'string' && typeof path === 'string') {
    const own = lines.filter(({ leaf }) => leaf.path === path || leaf.path.startsWith(`${path}/`));
    if (own.length > 0) return own;
  }
  const line = lines[typeof index === 'number' ? index : lines.length - 1];
  if (line === undefined) throw new Problem(500, 'internal_error');
  return [line];
}

function readWanted(c: Context, principal: Principal): Wanted {
  const { headerless = null, mode = 'lines', import_id: importId = null } = queryOf(c, parameters);
  if (headerless !== null && headerless !== 'slash' && headerless !== 'dotted') {
    throw invalidParam('headerless is slash or dotted.');
  }
  if (mode !== 'lines' && mode !== 'atomic') throw invalidParam('mode is lines or atomic.');
  if (importId !== null && !/^[\x21-\x7e]{1,64}$/.test(importId)) {
    throw invalidParam('import_id has 1 to 64 printable characters.');
  }
  return {
    headerless,
    isAtomic: mode === 'atomic',
    importId: importId ?? importIdOf(c, principal),
  };
}

function bodyOf(c: Context, deps: HttpDeps, principal: Principal): AsyncIterable<Uint8Array> {
  const { body } = c.req.raw;
  if (body === null) throw new Problem(400, 'empty_body');
  return whileAllowed(lively(body, forStreams), () => whyShutOut(deps, c, principal));
}

async function* bounded(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0;
  for await (const bytes of body) {
    size += bytes.byteLength;
    if (size > limit) throw refused(refuse('body_too_large', { limit }));
    yield bytes;
  }
}
