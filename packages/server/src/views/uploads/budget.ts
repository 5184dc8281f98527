/** How many bytes the files that one connection has open here may have together (views.md §15). */
export class UploadBudget {
  readonly #max: number;
  #open = 0;

  constructor(bytesMax: number) {
    this.#max = bytesMax;
  }

  /** Whether there is room for so many bytes more. */
  fits(bytes: number): boolean {
    return this.#open + bytes <= this.#max;
  }

  opened(bytes: number): void {
    this.#open += bytes;
  }

  discarded(bytes: number): void {
    this.#open -= bytes;
  }
}
