import { call, type Report } from './cell.ts';

/** Callbacks of the application, called one after the other and never from within one another. */
export class Calls {
  readonly #report: Report;
  #calls: (() => unknown)[] = [];
  #isCalling = false;

  constructor(report: Report) {
    this.#report = report;
  }

  add(callback: () => unknown): void {
    this.#calls.push(callback);
  }

  run(): void {
    if (this.#isCalling) return;
    this.#isCalling = true;
    for (let at = 0; at < this.#calls.length; at++) {
      const callback = this.#calls[at];
      if (callback !== undefined) call(callback, this.#report);
    }
    this.#calls = [];
    this.#isCalling = false;
  }
}
