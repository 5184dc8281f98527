import type { Client } from '@holdfast/client';
import { type ReactNode, Suspense } from 'react';
import type { Chat as ChatApp } from '../server/chat.ts';
import { Chat } from './chat.tsx';
import { HoldfastProvider } from './holdfast.ts';
import { Recovering } from './recovering.tsx';

type Props = { readonly client: Client<ChatApp>; readonly me: string };

/** The page of somebody who is signed in. */
export function App({ client, me }: Props): ReactNode {
  return (
    <HoldfastProvider client={client}>
      <Recovering>
        <Suspense fallback={<p className="waiting">Opening the chat …</p>}>
          <Chat me={me} />
        </Suspense>
      </Recovering>
    </HoldfastProvider>
  );
}
