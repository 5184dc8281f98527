/** How long somebody is waited for who has to say something now and then; longer, and `signal` aborts with a `TimeoutError`. */
export class Silence {
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on. */
  allow(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#controller.abort(new DOMException('Nothing was heard.', 'TimeoutError'));
    }, ms);
  }

  /** The same pieces, each of which something was heard with. */
  async *heardIn<T>(pieces: AsyncIterable<T>, ms: number): AsyncGenerator<T, void, undefined> {
    this.allow(ms);
    for await (const piece of pieces) {
      this.allow(ms);
      yield piece;
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
