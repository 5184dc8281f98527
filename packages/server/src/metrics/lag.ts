const SAMPLES = 60;

/** How far the channels are behind their stores, and whether that grows: the slope of the last minute. */
export class Lag {
  readonly #samples: { readonly at: number; readonly ops: number }[] = [];

  /** Takes how many ops all channels together have yet to be told of; once a second. */
  sample(now: number, ops: number): void {
    this.#samples.push({ at: now / 1000, ops });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** The latest sample. */
  get ops(): number {
    return this.#samples.at(-1)?.ops ?? 0;
  }

  /** Ops per second by which it grows, by least squares; below zero while the channels catch up. */
  get slope(): number {
    const count = this.#samples.length;
    if (count < 2) return 0;
    const meanAt = this.#samples.reduce((sum, { at }) => sum + at, 0) / count;
    const meanOps = this.#samples.reduce((sum, { ops }) => sum + ops, 0) / count;
    let together = 0;
    let spread = 0;
    for (const { at, ops } of this.#samples) {
      together += (at - meanAt) * (ops - meanOps);
      spread += (at - meanAt) ** 2;
    }
    return spread === 0 ? 0 : together / spread;
  }
}
