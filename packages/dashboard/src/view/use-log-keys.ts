import type { KeyboardEvent, RefObject } from 'react';
import { type Log, type LogLine, placeOfLine } from '../model/log.ts';
import { lineFor } from './log-keys.ts';

type LogState = {
  readonly box: RefObject<HTMLElement | null>;
  /** The id of the line that is marked; 0: none is. */
  readonly marked: number;
  readonly mark: (id: number) => void;
  readonly rowHeight: number;
  readonly onPick: (line: LogLine) => void;
};

/** What the keys do in the log: whoever goes from line to line has it pause, and End has it go on. */
export function useLogKeys(log: Log, state: LogState): (event: KeyboardEvent) => void {
  const { box, marked, mark, rowHeight, onPick } = state;
  const lineOf = (key: string): LogLine | undefined => {
    const { lines } = log.view.get();
    const pageLines = Math.floor((box.current?.clientHeight ?? 0) / rowHeight) - 1;
    const at = placeOfLine(lines, marked);
    return lines[lineFor(key, { at, count: lines.length, pageLines }) ?? -1];
  };
  const move = (key: string): boolean => {
    if (lineOf(key) === undefined) return false;
    if (key === 'End') log.resume();
    else log.pause();
    // Where it goes on, another line is the last.
    mark(lineOf(key)?.id ?? 0);
    return true;
  };
  const pick = (key: string): boolean => {
    const { lines } = log.view.get();
    const line = lines[placeOfLine(lines, marked)];
    if (line === undefined || (key !== 'Enter' && key !== ' ')) return false;
    onPick(line);
    return true;
  };
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move(event.key) || pick(event.key)) event.preventDefault();
  };
}
