import { nodeKey } from '@holdfast/engine/mirror';
import type { JsonObject } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { envelope, node, root, showing } from './harness.ts';

const board = (...cards: readonly string[]): JsonObject =>
  node([], {
    title: 'b',
    cards: cards.map((id) => node(['cards', id], { title: id })),
    log: { __musubi_stream__: 'log' },
  });
type Draft = { title: string; cards: { title: string }[]; log: unknown[] };
const edit = (recipe: (draft: Draft) => void): ((draft: never) => void) => recipe;

describe('the layers of a mirror', () => {
  it('V82 a layer is seen at once, applied anew to what others change, and gone when it is dropped', () => {
    const mirror = showing(board('a', 'b'));
    const before = mirror.snapshot(root) as Draft;
    mirror.addLayer(
      '1',
      root,
      edit((draft) => {
        draft.title = 'mine';
        draft.log.push('sent');
      }),
    );
    expect(mirror.snapshot(root)).toEqual({
      title: 'mine',
      cards: [{ title: 'a' }, { title: 'b' }],
      log: ['sent'],
    });
    expect((mirror.snapshot(root) as Draft).cards).toBe(before.cards);
    mirror.take(envelope(1, 2, { ops: [{ op: 'replace', path: '/cards/0/title', value: 'A' }] }));
    expect(mirror.snapshot(root)).toEqual({
      title: 'mine',
      cards: [{ title: 'A' }, { title: 'b' }],
      log: ['sent'],
    });
    mirror.dropLayer('1');
    expect(mirror.snapshot(root)).toEqual({
      title: 'b',
      cards: [{ title: 'A' }, { title: 'b' }],
      log: [],
    });
  });

  it('V82 the envelope that confirms a layer leaves the snapshot as it is: no flicker, no second notice', () => {
    const mirror = showing(board('a'));
    mirror.addLayer(
      '1',
      nodeKey(['cards', 'a']),
      edit((draft) => {
        draft.title = 'A';
      }),
    );
    mirror.answerLayer('1', 2);
    const shown = mirror.snapshot(root);
    expect(shown).toMatchObject({ cards: [{ title: 'A' }] });
    expect(mirror.snapshot(nodeKey(['cards', 'a']))).toEqual({ title: 'A' });
    mirror.take(envelope(1, 2, { ops: [{ op: 'replace', path: '/cards/0/title', value: 'A' }] }));
    expect(mirror.snapshot(root)).toBe(shown);
    // And the state of the server goes on from there.
    mirror.take(envelope(2, 3, { ops: [{ op: 'replace', path: '/title', value: 'c' }] }));
    expect((mirror.snapshot(root) as Draft).cards).toBe((shown as Draft).cards);
    mirror.take(envelope(3, 4, { ops: [{ op: 'replace', path: '/cards/0/title', value: 'x' }] }));
    expect(mirror.snapshot(root)).toEqual({ title: 'c', cards: [{ title: 'x' }], log: [] });
  });

  it('V82 a layer whose effects are there when it is answered ends at once; one of a Musubi server with the next envelope', () => {
    const mirror = showing(board());
    mirror.addLayer(
      '1',
      root,
      edit((draft) => void (draft.title = 'x')),
    );
    mirror.answerLayer('1', 1);
    expect(mirror.snapshot(root)).toMatchObject({ title: 'b' });
    const other = showing(board(), 0);
    other.addLayer(
      '1',
      root,
      edit((draft) => void (draft.title = 'x')),
    );
    other.answerLayer('1', null);
    expect(other.snapshot(root)).toMatchObject({ title: 'x' });
    other.take(envelope(1, 2));
    expect(other.snapshot(root)).toMatchObject({ title: 'b' });
  });

  it('layers are applied in their order; one that throws on what has become of the state is dropped', () => {
    const mirror = showing(board('a'));
    mirror.addLayer(
      '1',
      root,
      edit((draft) => {
        const [first] = draft.cards;
        if (first === undefined) throw new Error('no card');
        first.title += '1';
      }),
    );
    mirror.addLayer(
      '2',
      root,
      edit((draft) => void (draft.title += '2')),
    );
    expect(mirror.snapshot(root)).toMatchObject({ title: 'b2', cards: [{ title: 'a1' }] });
    expect(() =>
      mirror.addLayer(
        '3',
        root,
        edit(() => {
          throw new Error('mine');
        }),
      ),
    ).toThrow('mine');
    mirror.take(envelope(1, 2, { ops: [{ op: 'remove', path: '/cards/0' }] }));
    expect(mirror.snapshot(root)).toMatchObject({ title: 'b2', cards: [] });
    mirror.take(
      envelope(2, 3, {
        ops: [{ op: 'add', path: '/cards/0', value: node(['cards', 'a'], { title: 'a' }) }],
      }),
    );
    expect(mirror.snapshot(root)).toMatchObject({ title: 'b2', cards: [{ title: 'a' }] });
  });

  it('nodes that a layer moves are the same nodes', () => {
    const mirror = showing(board('a', 'b'));
    const [a, b] = (mirror.snapshot(root) as Draft).cards;
    mirror.addLayer(
      '1',
      root,
      edit((draft) => void draft.cards.unshift(...draft.cards.splice(1))),
    );
    const { cards } = mirror.snapshot(root) as Draft;
    expect([cards[0] === b, cards[1] === a]).toEqual([true, true]);
    expect(cards.map((card) => mirror.nodeOf(card))).toEqual([
      nodeKey(['cards', 'b']),
      nodeKey(['cards', 'a']),
    ]);
  });
});
