import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';

/** A deed and its opposite. */
type Deed = { readonly undo: () => unknown; readonly redo: () => unknown };

type Undo = {
  /** Something was done here that can be taken back. */
  readonly did: (what: string, deed: Deed) => void;
};

const UndoContext = createContext<Undo>({ did: () => undefined });

/** What this page has done can be taken back by Ctrl Z, and done again by Ctrl Shift Z. */
export function UndoProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [said, say] = useState('');
  const done = useRef<Deed[]>([]);
  const undone = useRef<Deed[]>([]);
  const did = useCallback((what: string, deed: Deed): void => {
    done.current.push(deed);
    undone.current = [];
    say(what);
  }, []);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const isUndo = event.key.toLowerCase() === 'z' && (event.ctrlKey || event.metaKey);
      // A text that is being written has an undo of its own.
      const field = document.activeElement;
      const isText = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
      const isWriting = isText && field.value !== '';
      if (!isUndo || isWriting) return;
      event.preventDefault();
      const [from, to] = event.shiftKey ? [undone, done] : [done, undone];
      const deed = from.current.pop();
      if (deed === undefined) return;
      to.current.push(deed);
      if (event.shiftKey) deed.redo();
      else deed.undo();
      say(event.shiftKey ? 'Done again.' : 'Taken back.');
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  const undo = useMemo(() => ({ did }), [did]);
  return (
    <UndoContext value={undo}>
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
