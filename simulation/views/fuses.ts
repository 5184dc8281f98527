/** So long a fuse burns: longer than a view takes to its next render. */
const burnsMs = 100;
const lightMs = 2;

/** What lets renders fail for a while: they fail with whoever has lit a fuse, and not any more when it has burnt down. */
export class Fuses {
  readonly #later: (ms: number, run: () => void) => void;
  readonly #burning = new Map<number, string>();
  #count = 0;

  constructor(later: (ms: number, run: () => void) => void) {
    this.#later = later;
  }

  /** Lights one at a board, a moment later. */
  light(board: string): Promise<number> {
    this.#count += 1;
    const fuse = this.#count;
    return new Promise((resolve) => {
      this.#later(lightMs, () => {
        this.#burning.set(fuse, board);
        this.#later(burnsMs, () => this.#burning.delete(fuse));
        resolve(fuse);
      });
    });
  }

  isBurning(fuse: number): boolean {
    return this.#burning.has(fuse);
  }

  /** Somebody comes to a board, who is to be shown what was done while nobody was there. */
  putOut(board: string): void {
    for (const [fuse, of] of this.#burning) if (of === board) this.#burning.delete(fuse);
  }
}
