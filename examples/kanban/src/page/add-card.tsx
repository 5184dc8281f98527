import { type ReactNode, useState } from 'react';

type Props = { readonly column: string; readonly onAdd: (title: string) => void };

/** The field for a new card, at the end of its column. It stays open: few people add only one. */
export function AddCard({ column, onAdd }: Props): ReactNode {
  const [title, setTitle] = useState('');
  return (
    <form
      className="add"
      onSubmit={(event) => {
        event.preventDefault();
        if (title.trim() !== '') onAdd(title.trim());
        setTitle('');
      }}
    >
      <input
        dir="auto"
        aria-label={`Add a card to ${column}`}
        placeholder="Add a card …"
        value={title}
        maxLength={500}
        onChange={({ target }) => setTitle(target.value)}
      />
    </form>
  );
}
