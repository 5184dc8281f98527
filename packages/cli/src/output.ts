import picocolors from 'picocolors';
import type { Failure } from './failure.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** Colours, or functions that leave the text as it is. */
export type Paint = ReturnType<typeof picocolors.createColors>;

/** A column of a table: its title and how to show a row in it. */
export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
  /** Its cells may be cut where the terminal is narrow; JSON has them whole. */
  readonly shrinks?: true;
};

/** Results for people on a terminal, or as JSON lines for programs. Errors and progress go to standard error. */
export class Output {
  /** JSON lines, because it was asked for or because nobody is watching. */
  readonly json: boolean;
  readonly paint: Paint;
  /** How many columns a table may take: any number where the terminal does not say. */
  readonly width: number;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, options: { readonly json: boolean }) {
    this.#terminal = terminal;
    this.json = options.json || terminal.stdout.isTTY !== true;
    // 0 is of one that does not know, as of `script`, of `docker run -t` before it is told, or of a build machine.
    this.width = terminal.stdout.columns || Infinity;
    this.paint = picocolors.createColors(!this.json && wantsColor(terminal));
  }

  /** One result: a JSON line, or what `show` makes of it. */
  record(record: object, show: (paint: Paint) => string): void {
    this.text(this.json ? jsonLine(record) : tame(show(this.paint)));
  }

  /** Many results: a JSON line each, or a table. */
  table<Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    if (this.json) for (const row of rows) this.text(jsonLine(row));
    else if (rows.length > 0) this.text(layOut(rows, columns, this));
  }

  /** Lines as they are. */
  text(text: string): void {
    this.#terminal.stdout.write(`${text}\n`);
  }

  /** Something beside the results, to standard error. */
  aside(record: object, show: (paint: Paint) => string): void {
    this.#terminal.stderr.write(`${this.json ? jsonLine(record) : tame(show(this.paint))}\n`);
  }

  /** Something for people only, beside the results. */
  note(text: string): void {
    if (!this.json) this.#terminal.stderr.write(`${tame(text)}\n`);
  }

  /** What went wrong and what to do. */
  failure(failure: Failure): void {
    const { code, message, hint, details, outcome } = failure;
    if (this.json) {
      const error = { code, message, hint, exit_code: exitCodes[outcome].exit, details };
      this.#terminal.stderr.write(`${jsonLine({ error })}\n`);
      return;
    }
    const { stderr } = this.#terminal;
    const facts = factsIn(details);
    stderr.write(
      `${this.paint.red(this.paint.bold('error'))} ${printable(message)}${facts && this.paint.dim(facts)}\n`,
    );
    if (hint !== null) stderr.write(`${this.paint.dim('  →')} ${tame(hint)}\n`);
  }
}

const factColumns = 60;

/** What a refusal says beside its words: who holds a lease, which revision is there now. */
function factsIn(details: Failure['details']): string {
  const facts = Object.entries(details).flatMap(([name, value]) => {
    const isFact = typeof value === 'string' || typeof value === 'number';
    // A sentence of the server says what ours says.
    if (!isFact || name === 'message') return [];
    const told = shown(name.endsWith('_at') ? instant(value) : String(value));
    return [`${printable(name.replaceAll('_', ' '))} ${cut(told, factColumns)}`];
  });
  return facts.length === 0 ? '' : ` (${facts.join(', ')})`;
}

function instant(value: string | number): string {
  const date = new Date(value);
  return Number.isNaN(date.valueOf()) ? String(value) : date.toISOString();
}

function wantsColor({ env, stdout }: Terminal): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  return (env['FORCE_COLOR'] ?? '') !== '' || (stdout.isTTY === true && env['TERM'] !== 'dumb');
}

// Escape sequences in data could command the terminal; marks of direction could reorder what is shown.
// oxlint-disable-next-line no-control-regex -- these are what must not reach a terminal
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text from outside, with what a terminal would obey made visible. */
export function printable(text: string): string {
  return text.replaceAll(
    unprintable,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

// Our own, as few as they are: none of them moves, clears or asks anything.
// oxlint-disable-next-line no-control-regex -- colours begin with one
const harmless = /(\r?\n|\t|\u001b\[\d{1,2}m)/;

/** Lines and colours as they are; whatever else a terminal would obey is made visible, wherever it came from. */
export function tame(text: string): string {
  const parts = text.split(harmless);
  return parts.map((part, at) => (at % 2 === 1 ? part : printable(part))).join('');
}

/** The same JSON, of which no terminal obeys anything either. */
function jsonLine(record: object): string {
  return printable(JSON.stringify(record));
}

/** How many there are of something, and what it is called where there is one and where there are others. */
export function counted(count: unknown, one: string, many = `${one}s`): string {
  return `${String(count)} ${count === 1 ? one : many}`;
}

/** A value on one line. */
export function shortValue(value: unknown, columns = 60): string {
  return cut(printable(JSON.stringify(value) ?? 'null'), columns);
}

function cut(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
}

/** A value on as many lines as it takes; only its own line breaks are kept. */
export function longValue(value: unknown): string {
  const text = JSON.stringify(value, null, 2) ?? 'null';
  return text.split('\n').map(printable).join('\n');
}

function layOut<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { paint, width }: { readonly paint: Paint; readonly width: number },
): string {
  const cells = rows.map((row) => columns.map((column) => shown(column.cell(row))));
  const titles = columns.map(({ title }) => title);
  const natural = titles.map((title, index) =>
    cells.reduce((most, line) => Math.max(most, line[index]?.length ?? 0), title.length),
  );
  const widths = fitted(natural, columns, width);
  const lines = [titles, ...cells].map((line) => {
    const padded = line.map((cell, index) => {
      const room = widths[index] ?? 0;
      const text = cut(cell, room);
      return columns[index]?.align === 'right' ? text.padStart(room) : text.padEnd(room);
    });
    return padded.join('  ').trimEnd();
  });
  const [head = '', ...body] = lines;
  return [paint.dim(head), ...body].join('\n');
}

/** Instants are told to the second. */
function shown(cell: string): string {
  return printable(cell.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/, '$1 $2Z'));
}

const shrunkMin = 8;

/** Takes from the widest of those that may shrink until all fit, or nothing more can be taken. */
function fitted(
  natural: readonly number[],
  columns: readonly { readonly shrinks?: true }[],
  width: number,
): readonly number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, each) => sum + each + 2, -2) - width;
  while (excess > 0) {
    const wide = widths.flatMap((each, at) =>
      columns[at]?.shrinks === true && each > shrunkMin ? [{ each, at }] : [],
    );
    const [widest] = wide.toSorted((a, b) => b.each - a.each);
    if (widest === undefined) break;
    widths[widest.at] = widest.each - 1;
    excess -= 1;
  }
  return widths;
}
