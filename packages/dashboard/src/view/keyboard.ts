import type { KeyboardEvent } from 'react';

/** Whether a key belongs to a field or a dialog, and is no command. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null
  );
}

/** Whether a key belongs to the choice of a character, in languages that have many: Safari says so by its code only. */
export function isComposing({ nativeEvent, keyCode }: KeyboardEvent): boolean {
  return nativeEvent.isComposing || keyCode === 229;
}

/** Puts the focus on the tree. */
export function focusTree(): void {
  document.querySelector<HTMLElement>('#tree')?.focus();
}

/** Puts the focus on the tree, or on what is shown in its place: another panel on a phone, or a page without a store. */
export function focusShown(): void {
  for (const place of ['#tree', '.panel', 'header button']) {
    const shown = [...document.querySelectorAll<HTMLElement>(place)].find((each) =>
      each.checkVisibility(),
    );
    if (shown !== undefined) return shown.focus();
  }
}

/** Has the focus go along to the panel that is shown now, where it is in one that is hidden now. */
export function followPanel(name: string): void {
  const { activeElement } = document;
  const isHidden = activeElement?.closest('.panel')?.checkVisibility() === false;
  if (isHidden) focusPanel(name);
}

/** Puts the focus on a panel. */
export function focusPanel(name: string): void {
  document.querySelector<HTMLElement>(`.panel-${name}`)?.focus();
}

/** Puts the focus on the value that is selected. */
export function focusValue(): void {
  document.querySelector<HTMLElement>('#value')?.focus();
}
