import { parseArgs } from 'node:util';
import type { Tongue } from './tongue.ts';
import { checks } from './checks.ts';
import { type Options, type Progress, type Result, run, type Summary } from './run.ts';

const usage = `Holds the conformance suite of the Holdfast protocol with a server.

Usage: holdfast-conformance --url URL --token TOKEN --store ORG/NAME [OPTIONS]

  --url URL                where the server listens, or HOLDFAST_URL
  --token TOKEN            may read and write the store, or HOLDFAST_TOKEN
  --store ORG/NAME         exists, and nobody else writes to it meanwhile
  --read-only-token TOKEN  may only read; without it some checks are skipped
  --only NUMBERS           checks or chapters, with commas between: 4.2,7
  --format FORMAT          json or messagepack; both where it is left out
  --timeout MS             how long the server has for each answer; 5000
  --json, --text           what to write; JSON where the output is no terminal
  --list                   the checks, and nothing is held
  --help                   this

Exit code: 0 the server conforms, 1 it does not, 2 the command line is wrong, or
the store cannot be reached or written to.
`;

/** Where text goes. */
export type Sink = { write(text: string): unknown; readonly isTTY?: boolean | undefined };

/** What the command has of the world around it. */
export type Around = {
  readonly env: { readonly [name: string]: string | undefined };
  readonly stdout: Sink;
  readonly stderr: Sink;
};

/** Runs one command line and returns its exit code. */
export async function main(args: readonly string[], around: Around): Promise<number> {
  const { stdout, stderr } = around;
  try {
    const said = parse(args);
    if (said.help === true) return tell(stdout, usage);
    if (said.list === true) return tell(stdout, listed());
    const options = optionsOf(said, around.env);
    const json = said.json === true || (stdout.isTTY !== true && said.text !== true);
    const summary = await run({ ...options, report: reporter(around, json) });
    stdout.write(json ? `${JSON.stringify(summary)}\n` : total(summary));
    return summary.failed === 0 && summary.passed > 0 ? 0 : 1;
  } catch (error) {
    stderr.write(`error ${error instanceof Error ? error.message : String(error)}\n`);
    stderr.write('  → holdfast-conformance --help tells what there is.\n');
    return 2;
  }
}

type Said = ReturnType<typeof parse>;

// oxlint-disable-next-line typescript/explicit-function-return-type -- it is what parseArgs infers
function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  return parseArgs({
    args: [...args],
    options: {
      url: text,
      token: text,
      store: text,
      'read-only-token': text,
      only: text,
      format: text,
      timeout: text,
      json: flag,
      text: flag,
      list: flag,
      help: flag,
    },
  }).values;
}

function optionsOf(said: Said, env: Around['env']): Options {
  const url = said.url ?? env['HOLDFAST_URL'];
  const token = said.token ?? env['HOLDFAST_TOKEN'];
  const { store } = said;
  if (url === undefined || token === undefined || store === undefined) {
    throw new Error('--url, --token and --store are needed.');
  }
  const timeoutMs = Number(said.timeout ?? 5000);
  if (!(timeoutMs >= 1)) throw new Error('--timeout takes milliseconds.');
  return {
    url,
    token,
    store,
    timeoutMs,
    readOnlyToken: said['read-only-token'],
    only: wantedOf(said.only),
    formats: formatsOf(said.format),
  };
}

function wantedOf(only: string | undefined): readonly string[] | undefined {
  const wanted = only?.split(',').map((each) => each.trim());
  const unknown = wanted?.find((each) => !isKnown(each));
  if (unknown !== undefined) throw new Error(`There is no check "${unknown}".`);
  return wanted;
}

function isKnown(wanted: string): boolean {
  return checks.some(({ number }) => number === wanted || number.startsWith(`${wanted}.`));
}

function formatsOf(format: string | undefined): readonly Tongue['format'][] | undefined {
  if (format === undefined) return undefined;
  if (format === 'json' || format === 'messagepack') return [format];
  throw new Error('--format takes json or messagepack.');
}

/** Lines as results come, and on a terminal below them how far it is; with JSON only the latter. */
function reporter({ stdout, stderr }: Around, json: boolean): NonNullable<Options['report']> {
  const live = stderr.isTTY === true;
  return (result, progress) => {
    if (live) stderr.write('\r\u001B[K');
    if (!json) stdout.write(line(result));
    if (live && progress.done < progress.total) stderr.write(bar(progress));
  };
}

function line({ number, title, spec, capver, format, outcome, why, ms }: Result): string {
  const sign = { passed: '✓', failed: '✗', skipped: '–' }[outcome];
  const head = `${sign} ${number.padEnd(5)} ${title} (capver ${capver}, ${format}) ${ms} ms\n`;
  return why === null ? head : `${head}        ${why}  [stores.md §${spec}]\n`;
}

function bar({ done, total: all }: Progress): string {
  const width = 30;
  const full = Math.round((done / all) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)} ${done}/${all}`;
}

function total({ passed, failed, skipped }: Summary): string {
  const verdict =
    failed === 0 && passed > 0 ? 'the server conforms' : 'the server does not conform';
  return `\n${passed} passed, ${failed} failed, ${skipped} skipped: ${verdict}\n`;
}

function listed(): string {
  return checks
    .map(({ number, title, spec }) => `${number.padEnd(5)} ${title}  [§${spec}]\n`)
    .join('');
}

function tell(sink: Sink, text: string): number {
  sink.write(text);
  return 0;
}
