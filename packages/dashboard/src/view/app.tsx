import { HoldfastProvider } from '@holdfast/react';
import { type ReactNode, useEffect, useState } from 'react';
import { Session } from '../model/session.ts';
import { dropToken, keepToken, takeToken } from '../model/token.ts';
import { ConsolePage } from './console-page.tsx';
import { SignIn } from './sign-in.tsx';

/** The whole page: signed in or not. */
export function App({ firstToken }: { readonly firstToken: string | null }): ReactNode {
  const [session, setSession] = useState(() => openSession(firstToken));

  const signIn = (token: string): void => {
    keepToken(token);
    setSession(openSession(token));
  };
  const mayLeave = (): boolean => session?.mayLeave() ?? true;
  const signOut = (): void => {
    if (!mayLeave()) return;
    session?.close();
    dropToken();
    setSession(null);
  };
  // A link to a store, or with a token, may be opened where the console is open already.
  useEffect(() => {
    const follow = (): void => {
      const next = openSession(takeToken(mayLeave));
      if (next === session) return session?.follow();
      session?.close();
      setSession(next);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, [session]);
  if (session === null) return <SignIn onToken={signIn} />;
  return (
    <HoldfastProvider client={session.client}>
      <ConsolePage session={session} onSignOut={signOut} />
    </HoldfastProvider>
  );
}

// One session per page, however often a component is made: React makes some twice to find faults.
let opened: { readonly token: string; readonly session: Session } | null = null;

function openSession(token: string | null): Session | null {
  if (token === null) return null;
  const isOpen = opened?.token === token && !opened.session.isClosed;
  if (!isOpen) opened = { token, session: new Session(token) };
  return opened?.session ?? null;
}
