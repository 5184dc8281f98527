import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
} from 'react';

/** A deed and its opposite. */
type Deed = { readonly undo: () => unknown; readonly redo: () => unknown };

type Undo = {
  /** Something was done here that can be taken back, unless the server refuses it. */
  readonly did: (what: string, deed: Deed, done: Promise<unknown>) => void;
  /** Takes back what was done last; null: nothing was. */
  readonly undo: (() => void) | null;
};

type Deeds = { readonly done: readonly Deed[]; readonly undone: readonly Deed[] };

const none: Deeds = { done: [], undone: [] };
const UndoContext = createContext<Undo>({ did: () => undefined, undo: null });

/** What this page has done can be taken back by a button or by Ctrl Z, and done again by Ctrl Shift Z. */
export function UndoProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [said, say] = useState('');
  const [deeds, setDeeds] = useState(none);
  const did = useCallback((what: string, deed: Deed, end: Promise<unknown>): void => {
    setDeeds(({ done }) => ({ done: [...done, deed], undone: [] }));
    say(what);
    // What was refused has not been done.
    end.catch(() => setDeeds((all) => without(all, deed)));
  }, []);
  const { undo, redo } = useMemo(() => actsOf(deeds, setDeeds, say), [deeds]);
  useUndoKeys(undo, redo);
  const value = useMemo(() => ({ did, undo }), [did, undo]);
  return (
    <UndoContext value={value}>
      {children}
      <p className="unseen" role="status">
        {said}
      </p>
    </UndoContext>
  );
}

export function useUndo(): Undo {
  return useContext(UndoContext);
}

/** For who has no Ctrl key. */
export function UndoButton(): ReactNode {
  const { undo } = useUndo();
  return (
    <button onClick={undo ?? undefined} aria-disabled={undo === null}>
      Undo
    </button>
  );
}

function without({ done, undone }: Deeds, deed: Deed): Deeds {
  const isOther = (each: Deed): boolean => each !== deed;
  return { done: done.filter(isOther), undone: undone.filter(isOther) };
}

type Act = (() => void) | null;

function actsOf(
  { done, undone }: Deeds,
  set: (deeds: Deeds) => void,
  say: (what: string) => void,
): { readonly undo: Act; readonly redo: Act } {
  const [last, next] = [done.at(-1), undone.at(-1)];
  const act = (deed: () => unknown, what: string): void => {
    try {
      deed();
      say(what);
    } catch {
      // What it was done to is gone.
      say('That cannot be done any more.');
    }
  };
  const undo = (deed: Deed): void => {
    set({ done: done.slice(0, -1), undone: [...undone, deed] });
    act(deed.undo, 'Taken back.');
  };
  const redo = (deed: Deed): void => {
    set({ done: [...done, deed], undone: undone.slice(0, -1) });
    act(deed.redo, 'Done again.');
  };
  return { undo: last ? () => undo(last) : null, redo: next ? () => redo(next) : null };
}

function useUndoKeys(undo: Act, redo: Act): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const isUndo = event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey);
      // A text that is being written has an undo of its own.
      const field = document.activeElement;
      const isText = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
      const isWriting = isText && field.value !== '';
      if (!isUndo || isWriting) return;
      event.preventDefault();
      if (event.shiftKey) redo?.();
      else undo?.();
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [undo, redo]);
}
