/** Whether a tab runs: what is told to a frozen one waits, what is told to a dead one is lost. */
export class Life {
  #state: 'awake' | 'frozen' | 'dead' = 'awake';
  #waiting: (() => void)[] = [];
  readonly #ends: (() => void)[] = [];

  get isAlive(): boolean {
    return this.#state !== 'dead';
  }

  get isAwake(): boolean {
    return this.#state === 'awake';
  }

  run(deed: () => void): void {
    if (this.#state === 'awake') deed();
    else if (this.#state === 'frozen') this.#waiting.push(deed);
  }

  /** Called when it ends, however that comes. */
  onEnd(deed: () => void): void {
    this.#ends.push(deed);
  }

  freeze(): void {
    if (this.#state === 'awake') this.#state = 'frozen';
  }

  thaw(): void {
    if (this.#state !== 'frozen') return;
    this.#state = 'awake';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const deed of waiting) this.run(deed);
  }

  end(): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#waiting = [];
    for (const deed of this.#ends) deed();
  }
}
