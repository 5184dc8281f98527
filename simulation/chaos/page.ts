// What runs in the browser: the same writer and reader as elsewhere, on a page.
import type { Json, Path } from '@holdfast/protocol';
import { Dice } from '../src/dice.ts';
import { leavesOf, Reader } from '../kill/reader.ts';
import { openSite } from '../kill/site.ts';
import { isRejection, Writer } from '../kill/writer.ts';
import type { ClientHistory, Problem } from '../validators/history.ts';

/** What a page has seen and shows. */
export type PageReport = {
  readonly histories: readonly ClientHistory[];
  readonly shown: readonly (readonly (readonly [Path, Json])[])[];
  readonly problems: readonly Problem[];
  readonly errors: readonly string[];
};

const errors: unknown[] = [];
let writer: Writer | null = null;
let reader: Reader | null = null;
let timer = 0;

const page = {
  async open(port: number, seed: number, everyMs: number): Promise<void> {
    const dice = new Dice(seed);
    reader = await Reader.open('page-reader', port, errors);
    const site = openSite('page-writer', port, errors);
    const made = new Writer('page-writer', { site, dice: dice.fork() });
    writer = made;
    timer = window.setInterval(() => made.write(), everyMs);
  },
  connect(): void {
    for (const site of sites()) void site.client.connect();
  },
  stop(): void {
    clearInterval(timer);
  },
  async settled(): Promise<number> {
    await writer?.settled();
    return page.seq();
  },
  seq(): number {
    return Math.min(...sites().map(({ store }) => store.status.get().seq));
  },
  bookmark(): void {
    reader?.bookmark();
  },
  report(): PageReport {
    return {
      histories: [reader, writer].flatMap((each) => each?.history() ?? []),
      shown: sites().map(({ store }) => leavesOf(store)),
      problems: reader?.problems ?? [],
      errors: errors.filter((each) => !isRejection(each)).map(String),
    };
  },
  async close(): Promise<void> {
    await Promise.all(sites().map(({ client }) => client.close()));
  },
};

function sites(): readonly Reader['site'][] {
  return [reader, writer].flatMap((each) => (each === null ? [] : [each.site]));
}

Object.assign(window, { chaos: page });

/** What a test may call on the page. */
export type ChaosPage = typeof page;
