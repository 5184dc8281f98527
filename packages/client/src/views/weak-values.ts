/** Values by their keys, each for as long as somebody has it. */
export class WeakValues<V extends object> {
  readonly #values = new Map<string, WeakRef<V>>();
  readonly #forgotten = new FinalizationRegistry<string>((key) => {
    if (this.#values.get(key)?.deref() === undefined) this.#values.delete(key);
  });

  /** The value of a key, made where there is none. */
  of(key: string, make: () => V): V {
    const known = this.#values.get(key)?.deref();
    if (known !== undefined) return known;
    const value = make();
    this.#values.set(key, new WeakRef(value));
    this.#forgotten.register(value, key);
    return value;
  }
}
