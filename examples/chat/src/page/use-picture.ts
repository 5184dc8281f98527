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

/** Brings a picture to the server while its message is being written. */
export function usePicture(view: RoomView): Picture {
  const upload = useUpload(view, 'picture');
  const [chosen, setChosen] = useState<ChosenPicture | null>(null);
  /** The address of the chosen one, as it is now. */
  const wanted = useRef<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  const begin = async (picture: ChosenPicture): Promise<void> => {
    wanted.current = picture.url;
    setChosen({ ...picture, ref: '' });
    try {
      const ref = await bring(view, picture.file);
      // Another one may have been chosen meanwhile.
      if (wanted.current === picture.url) setChosen({ ...picture, ref });
      else void view.picture.cancel(ref);
    } catch (error) {
      if (wanted.current !== picture.url) return;
      setChosen(null);
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const release = (): void => {
    wanted.current = null;
    setProblem(null);
    setChosen(null);
  };
  const remove = (): void => {
    release();
    if (chosen !== null) void view.picture.cancel(chosen.ref || undefined);
  };
  const choose = async (file: File): Promise<void> => {
    remove();
    try {
      const { width, height } = await createImageBitmap(file);
      await begin({ file, url: URL.createObjectURL(file), width, height, ref: '' });
    } catch {
      setProblem('That is no picture that can be shown here.');
    }
  };

  // A server that was started anew has nothing of it.
  const isLost = chosen !== null && chosen.ref !== '' && !upload?.entries.some(isSame(chosen));
  useEffect(() => {
    if (isLost && chosen !== null) void begin(chosen);
  }, [isLost]);

  return {
    chosen,
    progress: upload?.entries.at(-1)?.progress ?? 0,
    problem,
    choose: (file) => void (file && choose(file)),
    remove,
    release,
  };
}

function isSame({ ref }: ChosenPicture): (entry: { readonly ref: string }) => boolean {
  return (entry) => entry.ref === ref;
}
