/** What time and chance are between the tabs of an origin. */
export type OriginRoom = {
  now(): number;
  later(ms: number, run: () => void): void;
  /** A delay of up to so many milliseconds. */
  delay(ms: number): number;
  /** Whether a message gets lost. */
  loses(): boolean;
};

/** A way on which everything takes its time, and keeps its order. */
export class Lane {
  readonly #room: OriginRoom;
  readonly #mostMs: number;
  readonly #waiting: (() => void)[] = [];
  #busyUntil = 0;

  constructor(room: OriginRoom, mostMs: number) {
    this.#room = room;
    this.#mostMs = mostMs;
  }

  put(deed: () => void): void {
    const now = this.#room.now();
    this.#busyUntil = Math.max(this.#busyUntil, now + this.#room.delay(this.#mostMs));
    this.#waiting.push(deed);
    this.#room.later(this.#busyUntil - now, () => this.#waiting.shift()?.());
  }
}
