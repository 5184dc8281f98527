import { useSignal } from '@holdfast/react';
import { type ReactNode, type UIEvent, useLayoutEffect, useRef } from 'react';
import { disclose } from '../model/disclose.ts';
import type { LogLine } from '../model/log.ts';
import { shortValue } from '../model/value.ts';
import type { Workspace } from '../model/workspace.ts';
import { useRowHeight } from './media.ts';
import { Lines, useVisible } from './windowed.tsx';

type Props = { readonly workspace: Workspace; readonly onPick: () => void };

/** What was committed since the page was opened, the newest last; it pauses when somebody scrolls back. */
export function LogPanel({ workspace, onPick }: Props): ReactNode {
  const { log } = workspace;
  const { lines, isPaused, missed } = useSignal(log.view);
  const box = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const rowHeight = useRowHeight();
  const visible = useVisible(box, { count: lines.length, rowHeight });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || isPaused) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, [lines, isPaused, rowHeight, visible.last]);
  const scroll = ({ currentTarget: element }: UIEvent<HTMLElement>): void => {
    const { scrollTop, scrollHeight, clientHeight } = element;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < rowHeight;
    // Only a person scrolls back: what comes in scrolls on.
    if (isAtEnd) log.resume();
    else if (scrollTop < lastTop.current) log.pause();
    lastTop.current = scrollTop;
  };
  const pick = ({ path }: LogLine): void => {
    workspace.reveal(path);
    onPick();
  };
  return (
    <section className="panel panel-log" aria-label="Log">
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
      <div
        ref={box}
        className="scroll log"
        role="log"
        aria-live="off"
        aria-label="Commits"
        tabIndex={0}
        onScroll={scroll}
      >
        <Lines
          {...visible}
          count={lines.length}
          rowHeight={rowHeight}
          line={(index, style) => {
            const line = lines[index];
            if (line === undefined) return null;
            return (
              <div key={line.id} className="line" style={style} onClick={() => pick(line)}>
                <span className="seq">{line.seq}</span>
                <span className="op">{line.op}</span>
                <span className="path">{disclose(line.path)}</span>
                <span className="value">{shortValue(line.value, 80)}</span>
                {line.own && <span className="mark-own">this page</span>}
              </div>
            );
          }}
        />
        {lines.length === 0 && <p className="empty">Commits appear here as they happen.</p>}
      </div>
    </section>
  );
}
