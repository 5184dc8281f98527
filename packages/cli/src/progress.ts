import type { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

const barColumns = 28;
/** So many steps are shown of a long task, be it of gigabytes: each is drawn on a terminal, and a line in the log of a program. */
const steps = { bar: 1000, lines: 100 };

/** How far a long task is: a bar on a terminal, JSON lines for programs; on standard error either way. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #output: Output;
  readonly #label: string;
  readonly #total: number;
  readonly #unit: 'things' | 'bytes';
  /** The step that was shown last. */
  #step = -1;

  constructor(
    around: { terminal: Terminal; output: Output },
    task: { label: string; total: number; unit?: 'things' | 'bytes' },
  ) {
    this.#terminal = around.terminal;
    this.#output = around.output;
    this.#label = task.label;
    this.#total = task.total;
    this.#unit = task.unit ?? 'things';
  }

  show(done: number): void {
    const { stderr } = this.#terminal;
    const most = this.#output.json ? steps.lines : steps.bar;
    const step = done >= this.#total ? most : Math.floor((done / this.#total) * most);
    if (step === this.#step) return;
    this.#step = step;
    if (this.#output.json) {
      const progress = { label: this.#label, done, total: this.#total };
      stderr.write(`${JSON.stringify({ progress })}\n`);
    } else if (stderr.isTTY === true) {
      const end = done >= this.#total ? '\n' : '';
      stderr.write(`\r\u001b[2K${this.#bar(done)}${end}`);
    }
  }

  #bar(done: number): string {
    const { paint } = this.#output;
    // What is read may have grown since it was looked at.
    const share = this.#total === 0 ? 1 : Math.min(done / this.#total, 1);
    const full = Math.round(share * barColumns);
    const bar = paint.green('█'.repeat(full)) + paint.dim('░'.repeat(barColumns - full));
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    return `  ${this.#label}  ${bar} ${percent} %  ${this.#count(done)} of ${this.#count(this.#total)}`;
  }

  #count(count: number): string {
    return this.#unit === 'bytes' ? bytes(count) : String(count);
  }
}

/** A number of bytes as people say it. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
