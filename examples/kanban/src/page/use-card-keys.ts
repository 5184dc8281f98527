import { type FocusEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { Card, Column } from './holdfast.ts';
import {
  cardOf,
  type Held,
  type Place,
  placeOf,
  type Renaming,
  restOf,
  stepFrom,
} from './places.ts';
import type { Deeds } from './use-board.ts';

type Board = {
  readonly columns: readonly Column[];
  readonly deeds: Deeds;
  readonly say: (text: string) => void;
  /** Begins to rename a card. */
  readonly rename: (to: Renaming) => void;
};

type CardKeys = {
  /** The card that is moved by the keyboard, and where it would be. */
  readonly held: Held | null;
  /** The card that Tab leads to. */
  readonly current: string | null;
  readonly focus: (event: FocusEvent) => void;
  readonly blur: (event: FocusEvent) => void;
  readonly press: (event: KeyboardEvent) => void;
};

/** Cards by the keyboard: arrows go from one to the next; Space picks one up, and then the arrows move it. */
export function useCardKeys({ columns, deeds, say, rename }: Board): CardKeys {
  const [picked, setHeld] = useState<Held | null>(null);
  const { focused, focus, left } = useFocused(columns);
  // Others may delete what somebody here is at.
  const held = picked !== null && cardOf(columns, picked.id) !== undefined ? picked : null;
  const first = columns.flatMap(({ cards }) => cards)[0]?.id ?? null;
  const current = cardOf(columns, focused)?.id ?? first;

  // In another column the card is another element.
  useEffect(() => {
    if (held !== null) focusOn(held.id);
  }, [held]);
  const isLost = picked !== null && held === null;
  useEffect(() => {
    if (!isLost) return;
    setHeld(null);
    say('Somebody has deleted this card.');
  }, [isLost, say]);

  const describe = ({ column, index }: Place): string =>
    `${columns.find(({ id }) => id === column)?.title ?? ''}, position ${index + 1}`;

  const putBack = (): void => {
    setHeld(null);
    say('Put back.');
  };
  const carry = (key: string, at: Held): void => {
    const next = stepFrom(columns, at, { key, held: at.id });
    if (key === ' ') {
      setHeld(null);
      deeds.move(at);
    } else if (key === 'Escape') {
      putBack();
    } else if (next !== undefined) {
      setHeld({ id: at.id, ...next });
      say(`${describe(next)}.`);
    }
  };
  const act = (key: string, { id, title }: Card, place: Place): void => {
    if (key === ' ') {
      setHeld({ id, ...place });
      say(`Picked up “${title}” from ${describe(place)}. Space puts it down, Escape back.`);
    } else if (key === 'Enter' || key === 'F2') {
      rename({ id, before: title, text: title });
    } else if (key === 'Delete') {
      focusBeside(id);
      deeds.remove(id);
    }
  };
  const press = (event: KeyboardEvent): void => {
    const { key } = event;
    const id = idOf(event.target);
    const [card, place] = [cardOf(columns, id), placeOf(columns, id)];
    if (card === undefined || place === undefined || isShortcut(event)) return;
    const isArrow = key.startsWith('Arrow');
    if (isArrow || key === ' ' || key === 'Enter') event.preventDefault();
    if (held?.id === id) carry(key, held);
    else if (isArrow) focusOn(besideOf(columns, place, key));
    else if (!card.isPending) act(key, card, place);
  };
  // Who goes elsewhere puts back what they carried.
  const blur = ({ relatedTarget: next }: FocusEvent): void => {
    left();
    if (held !== null && next !== null && idOf(next) !== held.id) putBack();
  };
  return { held, current, focus, blur, press };
}

type Focused = {
  /** The card that had the focus last; empty: something else. */
  readonly focused: string;
  readonly focus: (event: FocusEvent) => void;
  readonly left: () => void;
};

/** Keeps the focus where somebody else moves or deletes the card that has it: what is drawn then is another element, or none. */
function useFocused(columns: readonly Column[]): Focused {
  const [focused, setFocused] = useState('');
  const at = useRef('');
  const before = useRef(columns);
  useEffect(() => {
    // Who left it of their own accord has been heard; an element that is taken away says nothing.
    const isGone = at.current !== '' && document.activeElement === document.body;
    if (isGone) focusOn(restOf(columns, before.current, at.current));
    before.current = columns;
  }, [columns]);
  const focus = ({ target }: FocusEvent): void => {
    at.current = idOf(target);
    setFocused(at.current);
  };
  return { focused, focus, left: () => (at.current = '') };
}

/** The card that an element is, not one that it is in; empty: none. */
function idOf(target: EventTarget): string {
  return (target instanceof HTMLElement && target.dataset['card']) || '';
}

function isShortcut({ ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  return ctrlKey || metaKey || altKey;
}

/** The card one step away in the direction of an arrow key. */
function besideOf(columns: readonly Column[], place: Place, key: string): string | undefined {
  const next = stepFrom(columns, place, { key, held: null });
  return columns.find(({ id }) => id === next?.column)?.cards[next?.index ?? 0]?.id;
}

/** Puts the focus beside a card that goes: below it, else above it, else in another column. */
export function focusBeside(id: string): void {
  const all = [...document.querySelectorAll<HTMLElement>('[data-card]')];
  const at = all.findIndex(({ dataset }) => dataset['card'] === id);
  const near = [all[at + 1], all[at - 1]];
  const inColumn = near.find((each) => each?.parentElement === all[at]?.parentElement);
  (inColumn ?? near.find((each) => each !== undefined))?.focus();
}

/** Puts the focus on a card. */
export function focusOn(id: string | undefined): void {
  document.querySelector<HTMLElement>(`[data-card="${id}"]`)?.focus();
}
