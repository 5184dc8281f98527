import { Beat } from '@holdfast/engine/record';
import { Waiters } from '../waiters.ts';

/** Something of a server that is shown: it looks with all that changes at once, and tells when all of that have looked (records.md §6.2). */
export abstract class Showing<V, S> {
  readonly isBusy = false;
  readonly value: Beat<V>;
  readonly state: Beat<S>;
  protected readonly waiters: Waiters = new Waiters();

  constructor(shown: { readonly value: V; readonly state: S }, report: (error: unknown) => void) {
    this.value = new Beat(shown.value, report);
    this.state = new Beat(shown.state, report);
  }

  /** Reads anew what is to be shown. */
  abstract look(): void;

  /** Tells what the last looks have found. */
  tell(): void {
    this.waiters.look();
    this.value.tell();
    this.state.tell();
  }

  refresh(): void {
    this.look();
    this.tell();
  }
}
