import type { ReactNode, RefObject } from 'react';
import type { Picture } from './use-picture.ts';

/** The button that asks for a picture. */
export function Attach({ onFile }: { readonly onFile: Picture['choose'] }): ReactNode {
  return (
    <label className="attach" title="Add a picture">
      <span aria-hidden="true">+</span>
      <input
        type="file"
        accept="image/*"
        aria-label="Add a picture"
        onChange={({ target }) => {
          onFile(target.files?.[0]);
          // The same one may be chosen again.
          target.value = '';
        }}
      />
    </label>
  );
}

type ChosenProps = { readonly picture: Picture; readonly field: RefObject<HTMLElement | null> };

/** The picture that goes with the next message, and how far it is; or why there is none. */
export function Chosen({ picture, field }: ChosenProps): ReactNode {
  const { chosen, progress, problem, remove } = picture;
  const takeAway = (): void => {
    remove();
    // The button goes with the picture.
    field.current?.focus();
  };
  if (problem !== null) {
    return (
      <p className="problem" role="alert">
        {problem}
      </p>
    );
  }
  if (chosen === null) return null;
  return (
    <figure className="chosen">
      <img src={chosen.url} alt="The chosen picture" />
      <figcaption>
        {chosen.file.name}
        {chosen.ref === '' && <progress aria-label="Upload" max={100} value={progress} />}
      </figcaption>
      <button type="button" className="quiet" onClick={takeAway} aria-label="Remove the picture">
        ×
      </button>
    </figure>
  );
}
