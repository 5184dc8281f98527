import { useCallback, useEffect, useRef } from 'react';
import { Present, usePresence } from './holdfast.ts';

/** Who stops typing for so long is not typing any more. */
const pauseMs = 3000;

type Company = {
  /** Everybody who is in the room, oneself included. */
  readonly names: readonly string[];
  /** The others who are typing. */
  readonly typing: readonly string[];
  readonly setTyping: (isTyping: boolean) => void;
};

/** Is in a room, and sees who else is. */
export function useCompany(room: string, me: string): Company {
  const { peers, set } = usePresence(Present, { room });
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);
  const setTyping = useCallback(
    (isTyping: boolean): void => {
      clearTimeout(pause.current);
      set({ isTyping });
      if (isTyping) pause.current = setTimeout(() => set({ isTyping: false }), pauseMs);
    },
    [set],
  );
  useEffect(() => {
    setTyping(false);
    return () => clearTimeout(pause.current);
  }, [setTyping]);
  const all = [...peers.values()];
  const typing = all.filter(({ key, value }) => value.isTyping && key !== me);
  // A person may have several tabs.
  return { names: namesOf(all), typing: namesOf(typing), setTyping };
}

function namesOf(peers: readonly { readonly key: string }[]): readonly string[] {
  return [...new Set(peers.map(({ key }) => key))].toSorted();
}
