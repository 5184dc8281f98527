import { type ReactNode, useEffect, useRef, useState } from 'react';

/** A text that is kept to oneself while it is being written, and saved however it is left: also by the way back. */
export function Draft({
  label,
  value,
  isLong = false,
  save,
}: {
  readonly label: string;
  readonly value: string;
  readonly isLong?: boolean;
  readonly save: (text: string) => void;
}): ReactNode {
  const [draft, setDraft] = useState<string | null>(null);
  /** Whether there was anything to save. */
  const finish = (): boolean => {
    const isChanged = draft !== null && draft !== value;
    if (isChanged) save(draft);
    setDraft(null);
    return isChanged;
  };
  const leave = useRef(finish);
  useEffect(() => {
    leave.current = finish;
  });
  useEffect(() => {
    // What was written a moment ago is not sent yet: who closes the page is asked.
    const close = (event: BeforeUnloadEvent): void => {
      if (leave.current()) event.preventDefault();
    };
    addEventListener('beforeunload', close);
    return () => {
      removeEventListener('beforeunload', close);
      leave.current();
    };
  }, []);
  const shared = {
    dir: 'auto',
    value: draft ?? value,
    onBlur: finish,
    onChange: ({ target }: { readonly target: { readonly value: string } }) =>
      setDraft(target.value),
  };
  return (
    <label className="draft">
      <span className="unseen">{label}</span>
      {isLong ? (
        <textarea rows={8} placeholder="Describe it …" {...shared} />
      ) : (
        <input
          className="headline"
          maxLength={200}
          {...shared}
          onKeyDown={({ key, keyCode, currentTarget, nativeEvent }) => {
            // Both keys also end the choice of a character in languages that have many; Safari says so by the code only.
            if (nativeEvent.isComposing || keyCode === 229) return;
            if (key === 'Enter') currentTarget.blur();
            if (key === 'Escape') setDraft(null);
          }}
        />
      )}
    </label>
  );
}
