/** The files that one connection has open here, and how many bytes they may have together (views.md §15). */
export class UploadBudget {
  readonly #max: number;
  readonly #sizes = new Map<string, number>();
  #open = 0;

  constructor(bytesMax: number) {
    this.#max = bytesMax;
  }

  /** Whether there is room for so many bytes more. */
  fits(bytes: number): boolean {
    return this.#open + bytes <= this.#max;
  }

  opened(ref: string, bytes: number): void {
    this.#sizes.set(ref, bytes);
    this.#open += bytes;
  }

  discarded(ref: string): void {
    this.#open -= this.#sizes.get(ref) ?? 0;
    this.#sizes.delete(ref);
  }
}
