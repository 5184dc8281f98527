import { CAPVER, type HoldfastError, type JsonObject } from '@holdfast/protocol';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import { canonical } from './canonical.ts';

/** What a change of params needs of the mount. */
export interface ParamsPorts {
  readonly isLive: boolean;
  /** Of the server; null: not known yet. */
  readonly capver: number | null;
  /** Asks the server to change them; it has them with its answer. */
  askParams(params: JsonObject): Promise<unknown>;
  /** Joins with them, where it is not on the way to that already, and is to join at all. */
  join(): void;
  /** Leaves the mount, and joins another one. */
  mountAnew(): void;
}

/** The params that are wanted of a mount, and those that it has (views.md §12.2). */
export class MountParams {
  readonly #ports: ParamsPorts;
  #wanted: JsonObject;
  had: JsonObject;
  #changed: Deferred<void> | null = null;
  #isAsking = false;

  constructor(params: JsonObject, ports: ParamsPorts) {
    this.#wanted = params;
    this.had = params;
    this.#ports = ports;
  }

  get wanted(): JsonObject {
    return this.#wanted;
  }

  /** They go out with a join. */
  join(): JsonObject {
    this.had = this.#wanted;
    return this.had;
  }

  /** Resolves when the mount has them. */
  set(params: JsonObject): Promise<void> {
    this.#wanted = params;
    this.#changed ??= deferred();
    const { promise } = this.#changed;
    if (this.#ports.isLive) void this.sync();
    // What was refused for good may not be with these.
    else this.#ports.join();
    return promise;
  }

  fail(error: unknown): void {
    this.#changed?.reject(error);
    this.#changed = null;
  }

  /** Gives the mount, which is live, the params that are wanted. */
  async sync(): Promise<void> {
    // One at a time, and of those that come meanwhile the last.
    if (this.#isAsking) return;
    const wanted = this.#wanted;
    const { capver } = this.#ports;
    if (canonical(wanted) === canonical(this.had)) {
      this.#changed?.resolve();
      this.#changed = null;
    } else if (capver === null || capver < CAPVER) {
      this.#ports.mountAnew();
    } else {
      this.#isAsking = true;
      try {
        await this.#ports.askParams(wanted);
      } catch (error) {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- calls fail with nothing else
        this.#refused(wanted, error as HoldfastError);
      }
      this.#isAsking = false;
      if (this.#ports.isLive) await this.sync();
    }
  }

  #refused(wanted: JsonObject, error: HoldfastError): void {
    const { code } = error;
    if (code === 'unsupported') this.#ports.mountAnew();
    // A lost connection is joined again, with those that are wanted.
    else if (code !== 'disconnected' && this.#wanted === wanted) {
      this.#wanted = this.had;
      this.fail(error);
    }
  }
}
