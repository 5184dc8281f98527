import { useEffect, useRef } from 'react';

/** Where the list or the issue is shown, but not both, the focus goes along: to the issue that is opened, and back to its line. */
export function useFocusAlong(issue: string | null): void {
  const last = useRef(issue);
  useEffect(() => {
    const before = last.current;
    last.current = issue;
    if (before === issue || hasFocus()) return;
    const line = document.querySelector<HTMLElement>(`.issue[href$="issue=${before}"]`);
    const list = document.querySelector<HTMLElement>('.aside');
    const panel = document.querySelector<HTMLElement>('.panel');
    (issue === null ? (line ?? list) : panel)?.focus();
  }, [issue]);
}

/** Whether anything that can be seen has the focus. */
function hasFocus(): boolean {
  const { activeElement: at, body } = document;
  return at !== null && at !== body && at.checkVisibility();
}
