import { type ReactNode, useState } from 'react';
import { signIn } from './session.ts';

/** Asks who you are. */
export function SignIn(): ReactNode {
  const [name, setName] = useState('');
  const chosen = name.trim();
  return (
    <main>
      <form
        className="sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          if (chosen !== '') signIn(chosen);
        }}
      >
        <h1>Team chat</h1>
        <label>
          Your name
          <input
            value={name}
            onChange={(event) => setName(event.target.value)}
            maxLength={40}
            autoComplete="nickname"
            autoFocus
          />
        </label>
        <button className="primary" disabled={chosen === ''}>
          Come in
        </button>
      </form>
    </main>
  );
}
