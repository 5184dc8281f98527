import { useSignal } from '@holdfast/react';
import { type ReactNode, type UIEvent, useLayoutEffect, useRef, useState } from 'react';
import { disclose } from '../model/disclose.ts';
import { type LogLine, placeOfLine, scrollMeans } from '../model/log.ts';
import { shortValue } from '../model/value.ts';
import type { Workspace } from '../model/workspace.ts';
import { useRowHeight } from './media.ts';
import { useLogKeys } from './use-log-keys.ts';
import { Lines, showLine, useVisible } from './windowed.tsx';

type Props = { readonly workspace: Workspace; readonly onPick: () => void };

/** What was committed since the page was opened, the newest last; it pauses when somebody goes back in it. */
export function LogPanel({ workspace, onPick }: Props): ReactNode {
  const { log } = workspace;
  const { lines, isPaused, missed } = useSignal(log.view);
  const pick = ({ path }: LogLine): void => {
    workspace.reveal(path);
    onPick();
  };
  return (
    <section className="panel panel-log" aria-label="Log" tabIndex={-1}>
      <div className="bar">
        <h2>Log</h2>
        <span className="hint">
          {isPaused ? `paused, ${missed.toLocaleString('en')} new` : 'live'}
        </span>
        <span className="spring" />
        <button type="button" onClick={() => (isPaused ? log.resume() : log.pause())}>
          {isPaused ? 'Resume' : 'Pause'}
        </button>
      </div>
      <LogLines workspace={workspace} onPick={pick} />
      {lines.length === 0 && <p className="empty over">Commits appear here as they happen.</p>}
    </section>
  );
}

type LinesProps = {
  readonly workspace: Workspace;
  readonly onPick: (line: LogLine) => void;
};

/** The lines: one stop for the Tab key, each reached by arrow keys (ARIA, listbox pattern). */
function LogLines({ workspace: { log }, onPick }: LinesProps): ReactNode {
  const { lines, isPaused } = useSignal(log.view);
  const box = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  /** By its id, for the oldest lines go. */
  const [marked, mark] = useState(0);
  const rowHeight = useRowHeight();
  const visible = useVisible(box, { count: lines.length, rowHeight });
  const active = placeOfLine(lines, marked);
  const press = useLogKeys(log, { box, marked, mark, rowHeight, onPick });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || isPaused) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, [lines, isPaused, rowHeight, visible.last]);
  useLayoutEffect(() => {
    if (box.current !== null && active >= 0) showLine(box.current, active, rowHeight);
    // Only another mark brings its line into sight.
  }, [marked, rowHeight]);
  const scroll = ({ currentTarget: element }: UIEvent<HTMLElement>): void => {
    const { scrollTop: top, scrollHeight, clientHeight } = element;
    const isAtEnd = scrollHeight - clientHeight - top < rowHeight;
    const meaning = scrollMeans({ top, before: lastTop.current, isAtEnd });
    if (meaning !== null) log[meaning]();
    lastTop.current = top;
  };
  return (
    <div
      ref={box}
      className="scroll log"
      role="listbox"
      aria-label="Commits"
      aria-activedescendant={active >= 0 ? `commit-${marked}` : undefined}
      tabIndex={0}
      onScroll={scroll}
      onKeyDown={press}
    >
      <Lines
        {...visible}
        count={lines.length}
        rowHeight={rowHeight}
        always={active}
        line={(index, style) => {
          const line = lines[index];
          if (line === undefined) return null;
          return (
            <div
              key={line.id}
              id={`commit-${line.id}`}
              className="line"
              role="option"
              aria-posinset={index + 1}
              aria-setsize={lines.length}
              aria-selected={index === active}
              style={style}
              onClick={() => onPick(line)}
            >
              <span className="seq">{line.seq}</span>
              <span className="op">{line.op}</span>
              <span className="path">{disclose(line.path)}</span>
              <span className="value">{shortValue(line.value, 80)}</span>
              {line.own && <span className="mark-own">this page</span>}
            </div>
          );
        }}
      />
    </div>
  );
}
