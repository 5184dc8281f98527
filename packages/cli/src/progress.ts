import type { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

const barColumns = 28;

/** How far a long task is: a bar on a terminal, JSON lines for programs; on standard error either way. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #output: Output;
  readonly #label: string;
  readonly #total: number;

  constructor(
    around: { terminal: Terminal; output: Output },
    task: { label: string; total: number },
  ) {
    this.#terminal = around.terminal;
    this.#output = around.output;
    this.#label = task.label;
    this.#total = task.total;
  }

  show(done: number): void {
    const { stderr } = this.#terminal;
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
    const share = this.#total === 0 ? 1 : done / this.#total;
    const full = Math.round(share * barColumns);
    const bar = paint.green('█'.repeat(full)) + paint.dim('░'.repeat(barColumns - full));
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    return `  ${this.#label}  ${bar} ${percent} %  ${done} of ${this.#total}`;
  }
}
