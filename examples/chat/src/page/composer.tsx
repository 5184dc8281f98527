import { type KeyboardEvent, type ReactNode, type RefObject, useEffect, useState } from 'react';
import { Attach, Chosen } from './picture.tsx';
import type { Picture } from './use-picture.ts';
import type { Draft } from './use-send.ts';

type Props = {
  readonly room: string;
  readonly text: string;
  readonly picture: Picture;
  readonly typing: readonly string[];
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly onText: (text: string) => void;
  readonly onTyping: (isTyping: boolean) => void;
  readonly onSend: (draft: Draft) => void;
};

/** The field to say something, and the picture that goes with it. */
export function Composer(props: Props): ReactNode {
  const { room, text, picture, typing, field, onText, onTyping, onSend } = props;
  const { chosen, isBringing, problem, choose, remove, release } = picture;
  const isEmpty = text.trim() === '' && chosen === null && !isBringing;

  // Who is quicker than their picture need not press Enter again.
  const [isDue, setDue] = useState(false);

  const send = (): void => {
    setDue(isBringing);
    if (isEmpty || isBringing) return;
    onSend({ text: text.trim(), picture: chosen });
    onText('');
    onTyping(false);
    release();
  };
  const press = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    const isEnter = event.key === 'Enter' && !event.shiftKey;
    if (isEnter) event.preventDefault();
    if (isEnter) send();
    if (event.key === 'Escape') remove();
  };
  useEffect(() => field.current?.focus(), [field]);
  useEffect(() => {
    if (!isDue || isBringing) return;
    // Without its picture the text may not be meant.
    if (problem === null) send();
    else setDue(false);
  }, [isDue, isBringing]);

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Chosen picture={picture} field={field} />
      <div className="field">
        <Attach onFile={choose} />
        <textarea
          ref={field}
          dir="auto"
          rows={1}
          maxLength={4000}
          value={text}
          aria-label={`Message to ${room}`}
          placeholder={`Message to ${room}`}
          onChange={({ target }) => {
            onText(target.value);
            onTyping(target.value !== '');
          }}
          onKeyDown={press}
          onPaste={({ clipboardData }) => choose(pictureIn(clipboardData))}
          onBlur={() => onTyping(false)}
        />
        <button className="primary" disabled={isEmpty || isDue}>
          {isDue ? 'Sending …' : 'Send'}
        </button>
      </div>
      <p className="typing" aria-live="polite">
        {typing.length > 0 && `${typing.join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing …`}
      </p>
    </form>
  );
}

/** Whether a key belongs to the choice of a character, in languages that have many: Safari says so by its code only. */
function isComposing({ nativeEvent, keyCode }: KeyboardEvent): boolean {
  return nativeEvent.isComposing || keyCode === 229;
}

/** What is pasted as a picture; cells of a table come as text and as a picture of it, and the text is meant. */
function pictureIn({ files, types }: DataTransfer): File | undefined {
  return types.includes('text/plain') ? undefined : files[0];
}
