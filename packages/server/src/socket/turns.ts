type Waiting = { isReady: boolean; go: () => void };

/** The requests of one channel in the order they came, where some must be prepared before they go on. */
export class Turns {
  readonly #waiting: Waiting[] = [];

  /** Goes on when all before it have and it is prepared: at once, where it need not wait. Preparations never reject. */
  take<T>(prepared: T | Promise<T>, go: (prepared: T) => void): void {
    if (prepared instanceof Promise) {
      const turn: Waiting = { isReady: false, go: () => undefined };
      this.#waiting.push(turn);
      void prepared.then((ready) => this.#prepare(turn, () => go(ready)));
    } else if (this.#waiting.length === 0) go(prepared);
    else this.#waiting.push({ isReady: true, go: () => go(prepared) });
  }

  #prepare(turn: Waiting, go: () => void): void {
    turn.isReady = true;
    turn.go = go;
    while (this.#waiting[0]?.isReady === true) this.#waiting.shift()?.go();
  }
}
