import {
  type PointerEvent as ReactPointerEvent,
  type ReactNode,
  type RefObject,
  useCallback,
  useRef,
  useState,
} from 'react';
import type { Held } from './places.ts';

/** Whoever moves less than so many pixels has clicked. */
const slack = 5;
/** So near to the edge of the board or of a column it scrolls. */
const edge = 48;
/** By so many pixels with each picture of the screen. */
const stride = 8;

type Drag = {
  readonly held: Held | null;
  readonly grab: (event: ReactPointerEvent) => void;
  /** What flies with the pointer, and from where. */
  readonly flying: RefObject<HTMLDivElement | null>;
  readonly start: { readonly width: number; readonly transform: string };
};

/** Cards by a pointer: a mouse takes them anywhere, a finger by the grip, so that the rest scrolls. */
export function useDrag(onDrop: (held: Held) => void): Drag {
  const [held, setHeld] = useState<Held | null>(null);
  const [start, setStart] = useState({ width: 0, transform: '' });
  const flying = useRef<HTMLDivElement>(null);

  const grab = useCallback(
    (event: ReactPointerEvent): void => {
      const { target, clientX, clientY, button, pointerType } = event;
      // Another finger is no other hand.
      if (!event.isPrimary) return;
      if (!(target instanceof Element) || target.closest('button') !== null) return;
      const card = target.closest<HTMLElement>('[data-card][data-pending=false]');
      const id = card?.dataset['card'];
      const isHandle = pointerType === 'mouse' ? button === 0 : target.closest('.grip') !== null;
      if (card === null || id === undefined || !isHandle) return;
      const { left, top, width } = card.getBoundingClientRect();
      const [dx, dy] = [clientX - left, clientY - top];
      setStart({ width, transform: under(left, top) });
      let last: Held | null = null;
      follow(event.nativeEvent, {
        moved: (at) => {
          const transform = under(at.clientX - dx, at.clientY - dy);
          flying.current?.style.setProperty('transform', transform);
          const next = heldAt(at, id) ?? last;
          if (next?.column !== last?.column || next?.index !== last?.index) setHeld(next);
          last = next;
        },
        ended: (isDropped) => {
          setHeld(null);
          if (isDropped && last !== null) onDrop(last);
        },
      });
    },
    [onDrop],
  );
  return { held, grab, flying, start };
}

/** A card on its way, under the pointer. */
export function Flying({
  drag,
  title,
}: {
  readonly drag: Drag;
  readonly title: string;
}): ReactNode {
  return (
    <div className="card flying" ref={drag.flying} style={drag.start} aria-hidden="true">
      <p dir="auto">{title}</p>
    </div>
  );
}

function under(x: number, y: number): string {
  return `translate(${x}px, ${y}px) rotate(2deg)`;
}

type Heard = {
  readonly moved: (at: PointerEvent) => void;
  readonly ended: (isDropped: boolean) => void;
};

/** Follows a pointer that is down until it is up, or Escape is pressed. */
function follow(down: PointerEvent, { moved, ended }: Heard): void {
  let isMoving = false;
  let last = down;
  const controller = new AbortController();
  const { signal } = controller;
  const end = (isDropped: boolean): void => {
    controller.abort();
    if (isMoving) ended(isDropped);
  };
  const isIt = (at: PointerEvent): boolean => at.pointerId === down.pointerId;
  const move = (at: PointerEvent): void => {
    if (!isIt(at)) return;
    // It was let go where nobody has heard of it, as over a menu of the system.
    if (at.buttons === 0) return end(false);
    const [dx, dy] = [at.clientX - down.clientX, at.clientY - down.clientY];
    last = at;
    if (isMoving) return moved(at);
    isMoving = Math.hypot(dx, dy) > slack;
    if (!isMoving) return;
    moved(at);
    requestAnimationFrame(scrolling);
  };
  // Also while the pointer stays where it is.
  const scrolling = (): void => {
    if (signal.aborted) return;
    if (scrollUnder(last)) moved(last);
    requestAnimationFrame(scrolling);
  };
  addEventListener('pointermove', move, { signal });
  addEventListener('pointerup', (at) => isIt(at) && end(true), { signal });
  addEventListener('pointercancel', (at) => isIt(at) && end(false), { signal });
  addEventListener('keydown', ({ key }) => key === 'Escape' && end(false), { signal });
}

function columnAt(x: number, y: number): HTMLElement | undefined {
  const [column] = document
    .elementsFromPoint(x, y)
    .flatMap((element) => element.closest<HTMLElement>('[data-column]') ?? []);
  return column;
}

/** Where a card would be if it were let go here; null: nowhere. */
function heldAt({ clientX: x, clientY: y }: PointerEvent, id: string): Held | null {
  const column = columnAt(x, y);
  const name = column?.dataset['column'];
  if (column === undefined || name === undefined) return null;
  const others = [...column.querySelectorAll<HTMLElement>('[data-card]')].filter(
    ({ dataset }) => dataset['card'] !== id,
  );
  const above = others
    .map((other) => other.getBoundingClientRect())
    .filter(({ top, height }) => top + height / 2 < y);
  return { id, column: name, index: above.length };
}

/** Scrolls what a card is near the edge of: the board aside, the column up and down. Whether anything has moved. */
function scrollUnder({ clientX: x, clientY: y }: PointerEvent): boolean {
  const board = document.querySelector('.board');
  const list = columnAt(x, y)?.querySelector('ol');
  const box = list?.getBoundingClientRect();
  const isMoved = [
    scroll(board, 'scrollLeft', Number(x > innerWidth - edge) - Number(x < edge)),
    box !== undefined &&
      scroll(list, 'scrollTop', Number(y > box.bottom - edge) - Number(y < box.top + edge)),
  ];
  return isMoved.includes(true);
}

function scroll(
  place: Element | null | undefined,
  by: 'scrollLeft' | 'scrollTop',
  direction: number,
): boolean {
  if (!place || direction === 0) return false;
  const before = place[by];
  place[by] += direction * stride;
  return place[by] !== before;
}
