import { type ReactNode, useState } from 'react';

/** A text that is kept to oneself while it is being written. */
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
          onKeyDown={(event) => {
            if (event.key === 'Enter') event.currentTarget.blur();
            if (event.key === 'Escape') setDraft(null);
          }}
        />
      )}
    </label>
  );
}
