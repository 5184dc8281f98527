import type { TimerCallback } from '../definition.ts';
import type { Lasting } from './lasting.ts';
import type { ViewNode } from './node.ts';
import type { Work, World } from './world.ts';

/** Cancels something: while a task runs with all else that this does, which may come to nothing (views.md §7.2). */
export function cancel(world: World, what: Lasting): void {
  if (what.isStopped) return;
  what.pause();
  const done = world.running;
  if (done === null) {
    what.end();
    return;
  }
  done.whenCommitted(
    () => what.end(),
    () => what.resume(),
  );
}

/** What a timer does, and when. */
export type TimerSpec = {
  readonly ms: number;
  readonly every: boolean;
  readonly callback: TimerCallback;
};

/** What a node does once, or over and over, after some time (views.md §11.2). */
export class Timer implements Lasting {
  isStopped = false;
  readonly #world: World;
  readonly #node: ViewNode;
  readonly #of: TimerSpec;
  /** Its time came while it was paused. */
  #isMissed = false;
  #unset = (): void => undefined;

  constructor(world: World, node: ViewNode, of: TimerSpec) {
    this.#world = world;
    this.#node = node;
    this.#of = of;
  }

  arm(at: number): void {
    const [world, node] = [this.#world, this.#node];
    if (this.isStopped) return;
    const unset = world.alarms.set(at, () => this.#ring(at));
    const forget = node.whenEnded(unset);
    this.#unset = () => {
      unset();
      forget();
    };
  }

  pause(): void {
    this.isStopped = true;
  }

  end(): void {
    this.#unset();
  }

  resume(): void {
    const { ms, every } = this.#of;
    this.isStopped = false;
    if (this.#isMissed) this.arm(this.#world.ports.now() + (every ? ms : 0));
    this.#isMissed = false;
  }

  #ring(due: number): void {
    const { ms, every, callback } = this.#of;
    this.#unset();
    const run: Work['run'] = (ctx) => {
      this.#isMissed ||= this.isStopped;
      return this.isStopped ? undefined : callback(ctx);
    };
    const over = (): void => {
      if (!every) return;
      const now = this.#world.ports.now();
      this.#isMissed ||= this.isStopped;
      this.arm(due + ms > now ? due + ms : now + ms);
    };
    this.#world.enqueue({ node: this.#node, where: 'timer', run, over });
  }
}
