import type { Link } from '@holdfast/client';
import {
  type Codec,
  covers,
  type EntryTuple,
  type Frame,
  type Glob,
  isBadFrame,
  isObject,
  isPlainObject,
  isRefusal,
  type Json,
  parseGlob,
  type Path,
  type Pattern,
  readEvents,
  readFrame,
  readJoinReply,
  readScopeReply,
  readSnapshotChunk,
  segmentsOf,
} from '@holdfast/protocol';

/** What may pass: the patterns that hold now, and those of them that a principal's rules let be read. */
export type Rules = () => readonly Pattern[];

/**
 * Stands at the border of a client: no frame may bring it a path or a value that is outside the patterns which it was
 * granted, or outside the path rules of its principal (P59).
 */
export class Border {
  readonly #codec: Codec;
  readonly #rules: Rules;
  readonly #problem: (text: string) => void;
  /** Entries and ops that have passed. */
  passed = 0;

  constructor(codec: Codec, rules: Rules, problem: (text: string) => void) {
    this.#codec = codec;
    this.#rules = rules;
    this.#problem = problem;
  }

  /** Puts itself between a client and its connections. */
  readonly wrap = (link: Link): Link => ({
    open: (url, events) => {
      const line = new Line((event, paths) => this.#check(event, paths));
      const connection = link.open(url, {
        opened: () => events.opened(),
        closed: (code) => events.closed(code),
        received: (data) => {
          line.heard(this.#read(data));
          events.received(data);
        },
      });
      return {
        send: (data) => {
          line.said(this.#read(data));
          connection.send(data);
        },
        close: (code) => connection.close(code),
      };
    },
  });

  #read(data: string | Uint8Array): Frame | null {
    const frame = readFrame(this.#codec.decode(data));
    return isBadFrame(frame) ? null : frame;
  }

  #check({ event, payload }: Frame, { patterns, touched }: Touch): void {
    this.passed += touched.length;
    const rules = this.#rules();
    const wrong = touched.find(({ path, isLeaf }) => {
      const asks = isLeaf ? coversPath : reachesPath;
      return !asks(patterns, path) || !asks(rules, path);
    });
    if (wrong === undefined) return;
    const of = patterns.map(({ source }) => source).join(' ');
    this.#problem(`${event} brings ${wrong.path} to who has ${of}: ${JSON.stringify(payload)}`);
  }
}

/** Paths that a frame names: leaves, or places of which only something at or below is to be in scope. */
type Touched = { readonly path: Path; readonly isLeaf: boolean };
type Touch = { readonly patterns: readonly Pattern[]; readonly touched: readonly Touched[] };

/** One connection: which patterns each of its channels was granted. */
class Line {
  readonly #check: (frame: Frame, touch: Touch) => void;
  readonly #granted = new Map<string, readonly Pattern[]>();
  /** Joins and changes of the scope that are not answered, by their refs. */
  readonly #asked = new Map<string, 'phx_join' | 'scope'>();

  constructor(check: (frame: Frame, touch: Touch) => void) {
    this.#check = check;
  }

  said(frame: Frame | null): void {
    const { ref, topic, event } = frame ?? nothing;
    if (ref !== null && (event === 'phx_join' || event === 'scope')) {
      this.#asked.set(`${topic} ${ref}`, event);
    }
  }

  heard(frame: Frame | null): void {
    if (frame === null || !frame.topic.startsWith('store:')) return;
    const { topic, event, payload } = frame;
    if (event === 'phx_reply') this.#answered(frame);
    const touched = touchedBy(event, payload);
    if (touched.length === 0) return;
    this.#check(frame, { patterns: this.#granted.get(topic) ?? [], touched });
  }

  #answered({ topic, ref, payload }: Frame): void {
    const asked = this.#asked.get(`${topic} ${ref}`);
    if (asked === undefined || !isObject(payload) || payload['status'] !== 'ok') return;
    this.#asked.delete(`${topic} ${ref}`);
    const { response } = payload;
    const reply = asked === 'scope' ? readScopeReply(response) : readJoinReply(response);
    if (!isRefusal(reply)) this.#granted.set(topic, parsed(reply.patterns ?? ['**']));
  }
}

const nothing = { ref: null, topic: '', event: '' } as const;

function touchedBy(event: string, payload: unknown): readonly Touched[] {
  if (event === 'events') {
    const events = readEvents(payload);
    return isRefusal(events) ? [] : events.ops.flatMap(touchedByOp);
  }
  if (event !== 'snapshot_chunk') return [];
  const chunk = readSnapshotChunk(payload);
  if (isRefusal(chunk)) return [];
  return [
    ...chunk.entries.map(([path]: EntryTuple) => ({ path, isLeaf: true })),
    ...chunk.maps.map(([path]) => ({ path, isLeaf: false })),
  ];
}

function touchedByOp({
  op,
  path,
  value,
}: {
  readonly op: string;
  readonly path: Path;
  readonly value: Json;
}): readonly Touched[] {
  if (op === 'delete' || op === 'release') return [{ path, isLeaf: false }];
  return op === 'set' || op === 'merge' ? leavesIn(path, value) : [{ path, isLeaf: true }];
}

function leavesIn(path: Path, value: Json): readonly Touched[] {
  if (!isPlainObject(value) || '_type' in value) return [{ path, isLeaf: true }];
  const keys = Object.entries(value);
  if (keys.length === 0) return [{ path, isLeaf: true }];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a path and a key of its map
  return keys.flatMap(([key, child]) => leavesIn(`${path}/${key}` as Path, child));
}

/** Whether something at the path is covered. */
export function coversPath(patterns: readonly Pattern[], path: Path): boolean {
  return patterns.some((pattern) => covers(pattern, segmentsOf(path)));
}

/** Whether something at the path or below it may be. */
function reachesPath(patterns: readonly Pattern[], path: Path): boolean {
  const segments = segmentsOf(path);
  return patterns.some(({ parts }) =>
    segments.every((segment, at) => {
      const isOpen = parts.slice(0, at + 1).some(({ kind }) => kind === 'many');
      const part = parts[at];
      if (isOpen || part?.kind === 'one') return true;
      return part?.kind === 'literal' && part.segment === segment;
    }),
  );
}

export function parsed(globs: readonly (Glob | string)[]): readonly Pattern[] {
  const patterns = globs.map((glob) => parseGlob(glob));
  return patterns.filter((each): each is Pattern => !isRefusal(each));
}
