import { HoldfastError } from '@holdfast/client';
import { useState } from 'react';
import type { RoomView } from './holdfast.ts';
import { type ChosenPicture, keepPreview } from './use-picture.ts';

/** What somebody is about to say. */
export type Draft = { readonly text: string; readonly picture: ChosenPicture | null };

/** What was refused, and why. */
export type Unsent = Draft & { readonly id: string; readonly reason: string };

const reasons: { readonly [code: string]: string } = {
  picture_missing: 'The picture has not arrived.',
  timeout: 'The server did not answer.',
};

/** As long as the page is open, a message waits for its server. */
const patienceMs = 86_400_000;

type Sending = {
  readonly send: (draft: Draft) => void;
  readonly unsent: readonly Unsent[];
  readonly forget: (id: string) => void;
};

/** Sends messages, each of which is shown at once, and says which were refused. */
export function useSend(view: RoomView, me: string): Sending {
  const [unsent, setUnsent] = useState<readonly Unsent[]>([]);
  const forget = (id: string): void => setUnsent((all) => all.filter((each) => each.id !== id));
  const send = async (draft: Draft): Promise<void> => {
    const { text, picture } = draft;
    const id = crypto.randomUUID();
    const size = picture && { width: picture.width, height: picture.height };
    const message = { id, number: 0, author: me, at: Date.now(), text, picture: size };
    if (picture !== null) keepPreview(id, picture.url);
    try {
      await view.$dispatch(
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
    } catch (error) {
      const code = error instanceof HoldfastError ? error.code : 'unknown';
      const reason = reasons[code] ?? `The server refused it: ${code}.`;
      setUnsent((all) => [...all, { ...draft, id, reason }]);
    }
  };
  return { send: (draft) => void send(draft), unsent, forget };
}
