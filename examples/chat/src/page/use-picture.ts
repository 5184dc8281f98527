import { useEffect, useState } from 'react';
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
  const [problem, setProblem] = useState<string | null>(null);

  const begin = async (picture: ChosenPicture): Promise<void> => {
    /** Unless another one was chosen meanwhile. */
    const settle = (ref: string | null): void =>
      setChosen((now) => (now?.url !== picture.url ? now : ref === null ? null : { ...now, ref }));
    try {
      settle('');
      settle(await bring(view, picture.file));
    } catch (error) {
      settle(null);
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const remove = (): void => {
    setProblem(null);
    setChosen(null);
    if (chosen !== null) void view.picture.cancel(chosen.ref || undefined);
  };
  const choose = async (file: File): Promise<void> => {
    remove();
    try {
      const { width, height } = await createImageBitmap(file);
      const picture = { file, url: URL.createObjectURL(file), width, height, ref: '' };
      setChosen(picture);
      await begin(picture);
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
    release: () => setChosen(null),
  };
}

function isSame({ ref }: ChosenPicture): (entry: { readonly ref: string }) => boolean {
  return (entry) => entry.ref === ref;
}
