import { type FormEvent, type ReactNode, useId, useState } from 'react';
import { Mark } from './mark.tsx';

/** Asks for a token. */
export function SignIn({ onToken }: { readonly onToken: (token: string) => void }): ReactNode {
  const [token, setToken] = useState('');
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (token.trim() !== '') onToken(token.trim());
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit}>
        <h1>
          <Mark /> Holdfast
        </h1>
        <label htmlFor={id}>Token</label>
        <input
          id={id}
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          value={token}
          onChange={({ target }) => setToken(target.value)}
        />
        <button type="submit" className="primary" disabled={token.trim() === ''}>
          Sign in
        </button>
        <p className="hint">
          <code>holdfast dev</code> prints an address with its token in it.
        </p>
      </form>
    </main>
  );
}
