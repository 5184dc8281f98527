import { useSyncExternalStore } from 'react';

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = matchMedia(query);
      list.addEventListener('change', listener);
      return () => list.removeEventListener('change', listener);
    },
    () => matchMedia(query).matches,
  );
}

const ROW_PX = 26;
const TOUCH_ROW_PX = 40;

/** The height of a line in lists: what a finger needs is more than what a mouse needs. */
export function useRowHeight(): number {
  return useMedia('(pointer: coarse)') ? TOUCH_ROW_PX : ROW_PX;
}
