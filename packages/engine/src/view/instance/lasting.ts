/** Something that goes on until it is cancelled. */
export interface Lasting {
  /** Whether it was cancelled, if only by a task that is not over. */
  readonly isStopped: boolean;
  /** It does nothing for now. */
  pause(): void;
  /** It does nothing from now on. */
  end(): void;
  /** It goes on, as if it had not been paused. */
  resume(): void;
}
