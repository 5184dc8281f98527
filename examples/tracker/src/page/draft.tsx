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
  const finish = (): void => {
    if (draft !== null && draft !== value) save(draft);
    setDraft(null);
  };
  const leave = useRef(finish);
  useEffect(() => {
    leave.current = finish;
  });
  useEffect(() => () => leave.current(), []);
  const shared = {
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
