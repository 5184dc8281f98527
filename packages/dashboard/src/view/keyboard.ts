/** Whether a key belongs to a field or a dialog, and is no command. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null
  );
}

/** Puts the focus on the tree. */
export function focusTree(): void {
  document.querySelector<HTMLElement>('#tree')?.focus();
}

/** Puts the focus on the value that is selected. */
export function focusValue(): void {
  document.querySelector<HTMLElement>('#value')?.focus();
}
