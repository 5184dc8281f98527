import { Window } from 'happy-dom';

/** A page for React to draw on; to be imported before React is, which looks for it once. */
const window = new Window({ url: 'http://localhost/' });

Object.assign(globalThis, { window, document: window.document });

/** React keeps what follows a fallback back for 300 ms, by the timer that it finds at its start; tests have no time. */
const { setTimeout } = globalThis;
globalThis.setTimeout = ((run: () => void) => setTimeout(run, 0)) as typeof setTimeout;

/** To be called when React has been imported: from now on time is what it is. */
export function resumeTime(): void {
  globalThis.setTimeout = setTimeout;
}
