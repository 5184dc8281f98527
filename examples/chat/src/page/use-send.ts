import { HoldfastError } from '@holdfast/client';
import { useSyncExternalStore } from 'react';
import { bring } from './bring.ts';
import type { Message, RoomView } from './holdfast.ts';
import { type ChosenPicture, keepPreview } from './use-picture.ts';

/** What somebody is about to say. */
export type Draft = { readonly text: string; readonly picture: ChosenPicture | null };

/** What the server has not taken, and why. */
export type Unsent = Draft & { readonly id: string; readonly reason: string };

/** By room: it is to be seen when somebody comes back to it. */
const unsentIn = new Map<string, readonly Unsent[]>();
const none: readonly Unsent[] = [];
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Who closes the page while something is on its way, or was refused and is nowhere else, is asked. */
let onTheirWay = 0;
addEventListener('beforeunload', (event) => {
  const isKept = [...unsentIn.values()].some((all) => all.length > 0);
  if (onTheirWay > 0 || isKept) event.preventDefault();
});

/** As long as the page is open, a message waits for its server. */
const patienceMs = 86_400_000;

type Sending = {
  readonly send: (draft: Draft) => void;
  readonly unsent: readonly Unsent[];
  readonly forget: (id: string) => void;
};

/** Sends messages, each of which is shown at once, and says which were refused. */
export function useSend(
  view: RoomView,
  { room, me }: { readonly room: string; readonly me: string },
): Sending {
  const unsent = useSyncExternalStore(subscribe, () => unsentIn.get(room) ?? none);
  const setUnsent = (change: (all: readonly Unsent[]) => readonly Unsent[]): void => {
    unsentIn.set(room, change(unsentIn.get(room) ?? none));
    for (const listen of listeners) listen();
  };
  const forget = (id: string): void => setUnsent((all) => all.filter((each) => each.id !== id));

  const tell = (id: string, draft: Draft, reason: string): void =>
    setUnsent((all) => [...all.filter((each) => each.id !== id), { ...draft, id, reason }]);

  const attempt = async (id: string, draft: Draft): Promise<void> => {
    try {
      await dispatch(view, { id, draft, author: me });
    } catch (error) {
      const { picture } = draft;
      const isMissing = error instanceof HoldfastError && error.code === 'picture_missing';
      if (isMissing && picture !== null) await bringAgain(id, { ...draft, picture });
      else tell(id, draft, wordsFor(error));
    }
  };
  /** A server that was started anew has the store, and nothing of what was only on its way there. */
  const bringAgain = async (
    id: string,
    draft: Draft & { readonly picture: ChosenPicture },
  ): Promise<void> => {
    tell(id, draft, 'The picture is being brought again.');
    try {
      const ref = await bring(view, draft.picture.file);
      forget(id);
      await attempt(id, { ...draft, picture: { ...draft.picture, ref } });
    } catch (error) {
      tell(id, draft, wordsFor(error));
    }
  };
  const send = (draft: Draft): void => {
    const id = crypto.randomUUID();
    if (draft.picture !== null) keepPreview(id, draft.picture.url);
    onTheirWay += 1;
    void attempt(id, draft).finally(() => (onTheirWay -= 1));
  };
  return { send, unsent, forget };
}

type Order = { readonly id: string; readonly draft: Draft; readonly author: string };

function dispatch(view: RoomView, { id, draft, author }: Order): Promise<unknown> {
  const { text, picture } = draft;
  const size = picture && { width: picture.width, height: picture.height };
  const message: Message = { id, number: 0, author, at: Date.now(), text, picture: size };
  return view.$dispatch(
    'send',
    { id, text, picture: picture && size && { ...size, ref: picture.ref } },
    {
      optimistic: ({ messages }) => {
        // It may be there already, and only the answer is missing.
        if (!messages.some((each) => each.id === id)) messages.push(message);
      },
      idempotent: true,
      timeoutMs: patienceMs,
    },
  );
}

function wordsFor(error: unknown): string {
  return error instanceof HoldfastError
    ? `The server did not take it: ${error.code}.`
    : String(error);
}
