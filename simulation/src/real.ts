import { createDeflateRaw, createInflateRaw } from 'node:zlib';

const atOnceMs = 1;

/** What real disks are asked, which takes no virtual time: how much of it is still going on. */
export class RealWork {
  #going = 0;
  /** Turns of the event loop in which all is done that is due at a time; more where something flows in streams. */
  turns = 1;
  /** How many timers of the platform have rung since time last passed. */
  rings = 0;
  /** How many messages came compressed. */
  unpacked = 0;

  get isGoing(): boolean {
    return this.#going > 0;
  }

  /** The same object, of which every answer that is waited for counts. */
  watched<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const own: unknown = Reflect.get(target, name);
        if (typeof own === 'function') {
          return (...call: unknown[]): unknown => this.#noted(own.apply(target, call));
        }
        return typeof own === 'object' && own !== null ? this.watched(own) : own;
      },
    });
  }

  /** Waits also for timers of the platform that ring at once, behind which libraries go on; gives what ends that. */
  watchTimers(): () => void {
    const { setTimeout: set, clearTimeout: clear } = globalThis;
    const going = new Set<unknown>();
    const rung = (timer: unknown): void => {
      if (going.delete(timer)) this.#going -= 1;
    };
    globalThis.setTimeout = new Proxy(set, {
      apply: (_, __, [run, ms = 0, ...given]: Parameters<typeof set>) => {
        if (ms > atOnceMs) return set(run, ms, ...given);
        const timer = set(() => {
          this.rings += 1;
          rung(timer);
          run(...given);
        }, ms);
        going.add(timer);
        this.#going += 1;
        return timer;
      },
    });
    globalThis.clearTimeout = (timer) => {
      rung(timer);
      clear(timer);
    };
    return () => {
      Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
      for (const timer of going) rung(timer);
    };
  }

  /** Waits also for what threads of the platform compress and unpack; gives what ends that. */
  watchDeflate(): () => void {
    const unpacks = createInflateRaw();
    const unpacked = (): void => void (this.unpacked += 1);
    const ends = [createDeflateRaw(), unpacks].map((stream) => {
      const kind: object = Object.getPrototypeOf(stream);
      const flush = stream.flush;
      stream.close();
      const noted = (work: Promise<void>): unknown => this.count(work);
      Object.assign(kind, {
        flush(this: typeof stream, ...call: Parameters<typeof flush>) {
          const told = typeof call.at(-1) === 'function' ? call.pop() : undefined;
          const done = new Promise<void>((resolve) => {
            // Whoever is closed amid that is told of nothing.
            this.once('close', resolve);
            call.push(() => {
              this.off('close', resolve);
              if (stream === unpacks) unpacked();
              if (typeof told === 'function') told();
              resolve();
            });
          });
          flush.apply(this, call);
          void noted(done);
        },
      });
      return () => Reflect.deleteProperty(kind, 'flush');
    });
    return () => {
      for (const end of ends) end();
    };
  }

  #noted(result: unknown): unknown {
    if (result instanceof Promise) return this.count(result);
    return isIterable(result) ? this.#each(result) : result;
  }

  async *#each(items: AsyncIterable<unknown>): AsyncGenerator {
    const iterator = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.count(iterator.next());
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** Virtual time may pass while what is counted waits for this. */
  async released(work: Promise<void>): Promise<void> {
    this.#going -= 1;
    await work;
    this.#going += 1;
  }

  /** Virtual time waits until it is done. */
  count<T>(work: Promise<T>): Promise<T> {
    this.#going += 1;
    return work.finally(() => {
      this.#going -= 1;
    });
  }
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
