import { refuse } from '@holdfast/protocol';

import type { HttpDeps } from '../deps.ts';
import { Problem, refused } from '../errors.ts';
import { type Desk, type JsonAnswer, storePath } from './desk.ts';
import type { Told } from './fields.ts';
import { store, type Tool } from './tool.ts';

const TIMEOUT_MAX = 60_000;
const TIMEOUT_DEFAULT = 30_000;

/** One event of a stream (stores.md §16). */
type Event = { readonly name: string; readonly id: string | null; readonly data: string };

/** What a watcher has heard so far. */
type Heard = {
  readonly ops: unknown[];
  /** The id of what was told last. */
  id: string | null;
  /** The name of the rules by which it was told what it has; null: it has nothing. */
  readonly toldBy: string | null;
  /** By now it may read another part of what it has. */
  isReset: boolean;
};

/** Waits for the next that happens; the stream of `watch` ends as soon as it has told of something. */
async function watchOnce(told: Told, desk: Desk, deps: HttpDeps): Promise<JsonAnswer> {
  const { pattern, since, timeout_ms: timeout } = told;
  const response = await desk.fetch('GET', `${storePath(told)}/watch`, {
    // It is told only that it is to read afresh.
    query: { pattern, since, present: 'false' },
  });
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Problem(500, 'internal_error');
  const toldBy = rightsBefore(typeof since === 'string' ? since : Number(since ?? 0));
  const heard: Heard = { ops: [], id: null, toldBy, isReset: false };
  let timedOut = false;
  const stop = (): void => void reader.cancel().catch(() => undefined);
  const timer = deps.clock.setTimeout(
    () => {
      timedOut = true;
      stop();
    },
    Number(timeout ?? TIMEOUT_DEFAULT),
  );
  desk.signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const events of eventsIn(reader)) if (takes(heard, events)) break;
  } catch (error) {
    throw error instanceof Problem ? await withOldest(error, told, desk) : error;
  } finally {
    deps.clock.clearTimeout(timer);
    desk.signal.removeEventListener('abort', stop);
    stop();
  }
  return answerOf(heard, timedOut);
}

function answerOf({ ops, id, isReset }: Heard, timedOut: boolean): JsonAnswer {
  const isNews = ops.length > 0 || isReset;
  // The stream ended by itself: the server drains.
  if (!isNews && !timedOut) throw refused(refuse('unavailable', { retry_after_ms: 1000 }));
  return { ops, seq: seqOf(id), timed_out: !isNews, ...(isReset && { reset: 'scope' }) };
}

/** Takes events in; true when there is news, and no transaction is open. */
function takes(heard: Heard, events: readonly Event[]): boolean {
  let isWhole = false;
  for (const { name, id, data } of events) {
    // What is seen has changed; the log goes on.
    const isGap = name === 'reset' && !data.includes('"scope"');
    if (isGap) throw refused(resetOf(data));
    if (name === 'error') throw refused(endOf(data));
    if (name === 'op') heard.ops.push(JSON.parse(data));
    isWhole = id !== null;
    if (id === null) continue;
    heard.id = id;
    heard.isReset = heard.toldBy !== null && heard.toldBy !== rightsIn(id);
  }
  return (heard.ops.length > 0 || heard.isReset) && isWhole;
}

/** The name of the rules by which was told what led to an id; null where that was nothing. */
function rightsBefore(since: string | number): string | null {
  return Number.parseInt(`${since}`, 10) === 0 ? null : rightsIn(`${since}`);
}

/** The name of rules in the id of an event; empty where everything may be read. */
function rightsIn(id: string): string {
  return id.split('~')[1] ?? '';
}

/** As it goes into `since`: a number where everything may be read. */
function seqOf(id: string | null): number | string | null {
  return id === null || id.includes('~') ? id : Number(id);
}

/** Who is behind is told from where the log can be read, as by all other routes. */
async function withOldest(problem: Problem, told: Told, desk: Desk): Promise<Problem> {
  if (problem.code !== 'beyond_retention') return problem;
  const { oldest_seq } = await desk.ask('GET', storePath(told));
  return refused(refuse('beyond_retention', { oldest_seq }));
}

function resetOf(data: string): ReturnType<typeof refuse> {
  return data.includes('"behind"') ? refuse('beyond_retention') : refuse('invalid_seq');
}

function endOf(data: string): ReturnType<typeof refuse> {
  return data.includes('"store_archived"') ? refuse('store_archived') : refuse('unauthorized');
}

async function* eventsIn(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Event[]> {
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- as they come
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const end = text.lastIndexOf('\n\n');
    if (end < 0) continue;
    yield text.slice(0, end).split('\n\n').map(eventOf);
    text = text.slice(end + 2);
  }
}

function eventOf(block: string): Event {
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  return {
    name: fields.get('event') ?? '',
    id: fields.get('id') ?? null,
    data: fields.get('data') ?? '',
  };
}

/** Waiting for changes. */
export function watchTool(deps: HttpDeps): Tool {
  return {
    name: 'holdfast_watch_once',
    says: 'Waits until something matches the pattern, and tells what happened. Go on with since = the seq of the answer. With reset, another part of what is there may be read by now: read it afresh.',
    reads: true,
    fields: {
      store,
      pattern: { type: 'text', says: 'Such as tasks/**.' },
      since: {
        type: 'place',
        says: 'Tell at once what came after this seq, as the answer before had it.',
        optional: true,
      },
      timeout_ms: {
        type: 'integer',
        says: 'How long to wait, at most 60000; 30000 if left out.',
        optional: true,
        most: TIMEOUT_MAX,
      },
    },
    run: (told, desk) => watchOnce(told, desk, deps),
  };
}
