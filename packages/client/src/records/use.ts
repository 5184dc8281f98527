import { type Lasting, type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';

/** Something that is here while it is used, and what it shows. */
export interface Live<S> extends Lasting {
  readonly value: Signal<unknown>;
  readonly state: Signal<S>;
}

/** What a client has of one kind: records, or collections. */
export type Kind<Of, E, S> = {
  /** By their keys. */
  readonly entries: Map<string, E>;
  /** What is shown of one that nobody uses. */
  readonly idle: S;
  begin(of: Of): E;
  hold(entry: E): Release;
  /** What a server has drawn of one that shows this. */
  drawn(of: Of, state: S): S;
};

/** What a handle does with what it is of, which it finds anew each time that it is used (registry.md §8.1). */
export class Use<Of extends { readonly key: string }, E extends Live<S>, S> {
  readonly state: Signal<S>;
  readonly #kind: Kind<Of, E, S>;
  readonly #of: Of;

  constructor(kind: Kind<Of, E, S>, of: Of) {
    this.#kind = kind;
    this.#of = of;
    const get = (): S => this.known?.state.get() ?? kind.idle;
    this.state = {
      get,
      subscribe: (run) => this.#listen(({ state }) => state, run),
      getServer: () => kind.drawn(of, get()),
    };
  }

  get known(): E | undefined {
    return this.#kind.entries.get(this.#of.key);
  }

  /** It, made where there is none. */
  get entry(): E {
    const entry = this.known ?? this.#kind.begin(this.#of);
    this.#kind.entries.set(entry.key, entry);
    return entry;
  }

  readonly subscribe = (run: () => void): Release => this.#listen(({ value }) => value, run);

  retain(): Release {
    return this.#kind.hold(this.entry);
  }

  /** Has it here until something is done with it. */
  async until(deed: (entry: E) => Promise<void>): Promise<void> {
    const { entry } = this;
    const release = this.#kind.hold(entry);
    try {
      await deed(entry);
    } finally {
      release();
    }
  }

  #listen(of: (entry: E) => Signal<unknown>, run: () => void): Release {
    const { entry } = this;
    const release = this.#kind.hold(entry);
    const leave = of(entry).subscribe(run);
    return releaseOnce(() => {
      leave();
      release();
    });
  }
}
