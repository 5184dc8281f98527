import { App, calm, complaints, open } from './page.tsx';
import type { ViewProxy } from '@holdfast/client/views';
import { type Command, useCommand, useView } from '@holdfast/react';
import type { ReactElement } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { module, node, Scripted } from '../../client/test/views/scripted.ts';

let world: Scripted;

beforeEach(() => {
  world = new Scripted();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  expect(complaints.splice(0)).toEqual([]);
});

const held: { command?: Command<unknown, unknown> } = {};

/** What became of a command of one of two cards, by a component that shows now one and now the other. */
function Card({ at, name = 'go' }: { readonly at: number; readonly name?: string }): ReactElement {
  const board = useView(module, { id: 'main' }) as unknown as {
    readonly cards: readonly ViewProxy[];
  };
  const command = useCommand(board.cards[at], name);
  held.command = command;
  const { isPending, data, error } = command;
  const code = error instanceof Error && 'code' in error ? error.code : error;
  return <i>{`${at} ${String(isPending)} ${JSON.stringify(data)} ${String(code)}`}</i>;
}

const draw = (card: ReactElement): ReactElement => <App client={world.client}>{card}</App>;

describe.each([false, true])('in StrictMode: %s', (isStrict) => {
  it('a command tells nothing of another node or name than the one it was sent to (V86)', async () => {
    const page = open(draw(<Card at={0} />), isStrict);
    await expect.poll(() => world.sent.length).toBeGreaterThan(0);
    await world.accept();
    await world.show(node([], { cards: [node(['a'], {}), node(['b'], {})] }));
    await page.shows('0 false undefined undefined');
    held.command?.dispatch().catch(() => undefined);
    await page.shows('0 true undefined undefined');
    page.draw(draw(<Card at={1} />));
    await page.shows('1 false undefined undefined');
    await world.refuse(await world.next('command'), { reason: 'no_luck' });
    await calm();
    expect(page.text()).toBe('1 false undefined undefined');
    page.draw(draw(<Card at={0} />));
    await page.shows('0 false undefined no_luck');
    page.draw(draw(<Card at={0} name="stop" />));
    await page.shows('0 false undefined undefined');
    page.draw(draw(<Card at={1} />));
    await page.shows('1 false undefined undefined');
    void held.command?.dispatch();
    await page.shows('1 true undefined undefined');
    await world.reply(await world.next('command'), { done: 1 });
    await page.shows('1 false {"done":1} undefined');
    page.unmount();
  });
});
