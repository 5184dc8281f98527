import { type RefObject, useLayoutEffect, useRef } from 'react';

/**
 * Brings the focus to a question: at once, or when whoever is writing has left what they write in. With the question it goes
 * back to where it was.
 */
export function useAsked(): RefObject<HTMLElement | null> {
  const asked = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const question = asked.current;
    let before: Element | null = null;
    const ends = new AbortController();
    const take = (at: EventTarget | null): void => {
      if (question === null || isWritten(at)) return;
      ends.abort();
      before = at instanceof Element ? at : null;
      if (!question.contains(before)) question.focus();
    };
    const left = ({ relatedTarget }: FocusEvent): void => {
      // It goes nowhere; or the window has lost it, and this page has not.
      if (relatedTarget === null) take(document.activeElement);
    };
    const { signal } = ends;
    document.addEventListener('focusin', ({ target }) => take(target), { signal });
    document.addEventListener('focusout', left, { signal });
    take(document.activeElement);
    return () => {
      ends.abort();
      if (question?.contains(document.activeElement) === true) giveBack(before, question);
    };
  }, []);
  return asked;
}

function isWritten(at: EventTarget | null): boolean {
  return at instanceof Element && at.matches('input, textarea, select');
}

/** Where it was may be gone by now. */
function giveBack(before: Element | null, question: HTMLElement): void {
  const isThere = before instanceof HTMLElement && before.isConnected && before !== document.body;
  const panel = document.querySelector<HTMLElement>('.panel');
  (isThere && !question.contains(before) ? before : panel)?.focus();
}
