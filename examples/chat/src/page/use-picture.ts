import { useEffect, useRef, useState } from 'react';
import { bring } from './bring.ts';
import { type RoomView, useUpload } from './holdfast.ts';

/** A picture that was chosen, and whose bytes are at the server. */
export type ChosenPicture = {
  readonly file: File;
  /** Of the file, on this page. */
  readonly url: string;
  readonly width: number;
  readonly height: number;
  /** What the server calls the upload; empty: it is on its way. */
  readonly ref: string;
};

/** The picture that goes with the next message. */
export type Picture = {
  readonly chosen: ChosenPicture | null;
  /** Whether one is being looked at, or is on its way to the server. */
  readonly isBringing: boolean;
  /** 0 to 100. */
  readonly progress: number;
  /** Why the last one was not taken. */
  readonly problem: string | null;
  readonly choose: (file: File | undefined) => void;
  readonly remove: () => void;
  /** It has gone with a message. */
  readonly release: () => void;
};

const previews = new Map<string, string>();

/** Shows the file itself with a message, until the page is loaded anew. */
export function keepPreview(message: string, url: string): void {
  previews.set(message, url);
}

/** Where the picture of a message is. */
export function addressOf(message: string): string {
  return previews.get(message) ?? `/api/stores/team/chat/files/pictures/${message}`;
}

/** By room: for when somebody comes back to it, what was chosen and not sent is brought anew. */
const keptIn = new Map<string, File>();

/** Brings a picture to the server while its message is being written. */
export function usePicture(view: RoomView, room: string): Picture {
  const upload = useUpload(view, 'picture');
  const [chosen, setChosen] = useState<ChosenPicture | null>(null);
  const [isLookedAt, setLookedAt] = useState(false);
  /** The one that was chosen last, and neither removed nor sent. */
  const wanted = useRef<File | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const begin = async (picture: ChosenPicture): Promise<void> => {
    wanted.current = picture.file;
    setChosen({ ...picture, ref: '' });
    try {
      const ref = await bring(view, picture.file);
      // Another one may have been chosen meanwhile.
      if (wanted.current === picture.file) setChosen({ ...picture, ref });
      else void view.picture.cancel(ref);
    } catch (error) {
      if (wanted.current !== picture.file) return;
      setChosen(null);
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const release = (): void => {
    wanted.current = null;
    keptIn.delete(room);
    setLookedAt(false);
    setProblem(null);
    setChosen(null);
  };
  const remove = (): void => {
    release();
    letGo(view, chosen);
  };
  const choose = async (file: File): Promise<void> => {
    remove();
    wanted.current = file;
    keptIn.set(room, file);
    setLookedAt(true);
    const size = await sizeOf(file);
    // Another one may have been chosen while this one was looked at.
    if (wanted.current !== file) return;
    setLookedAt(false);
    if (size === null) setProblem('That is no picture that can be shown here.');
    else await begin({ file, url: URL.createObjectURL(file), ...size, ref: '' });
  };
  useKept({
    file: keptIn.get(room),
    choose: (file) => void choose(file),
    leave: () => {
      wanted.current = null;
      letGo(view, chosen);
    },
  });

  // A server that was started anew has nothing of it.
  const isLost = chosen !== null && chosen.ref !== '' && !upload?.entries.some(isSame(chosen));
  useEffect(() => {
    if (isLost && chosen !== null) void begin(chosen);
  }, [isLost]);

  return {
    chosen,
    isBringing: isLookedAt || chosen?.ref === '',
    progress: upload?.entries.at(-1)?.progress ?? 0,
    problem,
    choose: (file) => void (file && choose(file)),
    remove,
    release,
  };
}

/** Forgets what was brought, and is not to be sent. */
function letGo({ picture }: RoomView, chosen: ChosenPicture | null): void {
  if (chosen === null) return;
  URL.revokeObjectURL(chosen.url);
  void picture.cancel(chosen.ref || undefined);
}

type Kept = {
  readonly file: File | undefined;
  readonly choose: (file: File) => void;
  readonly leave: () => void;
};

/** Chooses what was kept when the room is entered, and lets go of what was brought when it is left. */
function useKept(kept: Kept): void {
  const last = useRef(kept);
  useEffect(() => {
    last.current = kept;
  });
  useEffect(() => {
    const { file, choose } = last.current;
    if (file !== undefined) choose(file);
    return () => last.current.leave();
  }, []);
}

/** How large a picture is; null: it is none. */
async function sizeOf(file: File): Promise<Pick<ChosenPicture, 'width' | 'height'> | null> {
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return null;
  }
}

function isSame({ ref }: ChosenPicture): (entry: { readonly ref: string }) => boolean {
  return (entry) => entry.ref === ref;
}
