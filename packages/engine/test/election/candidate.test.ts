import { describe, expect, it } from 'vitest';
import {
  Candidate,
  type CandidateEffect,
  type CandidateInput,
  isElectionMessage,
} from '@holdfast/engine/election';

type Wish = CandidateInput extends infer Input
  ? Input extends CandidateInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** A candidate and its time. */
class Stand {
  readonly candidate: Candidate;
  now = 0;

  constructor(id: string) {
    this.candidate = new Candidate({ id, random: () => 0 });
  }

  step(wish: Wish): readonly CandidateEffect[] {
    return this.candidate.step({ ...wish, now: this.now, wall: 1000 + this.now });
  }

  /** Passes so many ticks, and gives what came of them. */
  ticks(count: number): readonly CandidateEffect[] {
    return Array.from({ length: count }, () => {
      this.now += 400;
      return this.step({ type: 'tick' });
    }).flat();
  }
}

const leads = (id: string, epoch: number): Wish => ({
  type: 'heard',
  message: { type: 'leader', id, epoch, isUp: true },
});
const types = (effects: readonly CandidateEffect[]): readonly string[] =>
  effects.map(({ type }) => type);

describe('a candidate', () => {
  it('waits for the lock, asks who leads, and leads when the lock is its own', () => {
    const stand = new Stand('a');
    const stood = stand.step({ type: 'stand' });
    expect(stood).toContainEqual({ type: 'claim', claim: 1, steal: false });
    expect(stood).toContainEqual({ type: 'say', message: { type: 'anyone', id: 'a' } });
    const led = stand.step({ type: 'held', claim: 1 });
    expect(led[0]).toEqual({ type: 'lead', epoch: 1000 });
    expect(stand.candidate.describe().role).toBe('leading');
  });

  it('is not moved by the lock of an older claim', () => {
    const stand = new Stand('a');
    stand.step({ type: 'stand' });
    stand.ticks(3);
    expect(stand.step({ type: 'held', claim: 1 })).toEqual([]);
    expect(stand.step({ type: 'robbed', claim: 1 })).toEqual([]);
    expect(types(stand.step({ type: 'held', claim: 2 }))).toContain('lead');
  });

  it('robs a leader that answers nothing, after three ticks and not before', () => {
    const stand = new Stand('b');
    stand.step({ type: 'stand' });
    stand.step(leads('a', 5));
    // It was heard since the tick before the first of these.
    expect(types(stand.ticks(3))).not.toContain('claim');
    expect(stand.ticks(1)).toContainEqual({ type: 'claim', claim: 2, steal: true });
  });

  it('never robs a leader that answers each question', () => {
    const stand = new Stand('b');
    stand.step({ type: 'stand' });
    for (let count = 0; count < 100; count++) {
      stand.step(leads('a', 5));
      expect(types(stand.ticks(2))).not.toContain('claim');
    }
  });

  it('takes an epoch above all that it has heard', () => {
    const stand = new Stand('b');
    stand.step({ type: 'stand' });
    stand.step(leads('a', 9_000_000));
    expect(stand.step({ type: 'held', claim: 1 })[0]).toEqual({ type: 'lead', epoch: 9_000_001 });
  });

  it('steps back before a newer leader, and tells an older one to', () => {
    const stand = new Stand('b');
    stand.step({ type: 'stand' });
    stand.step({ type: 'held', claim: 1 });
    const told = stand.step(leads('a', 1));
    expect(told).toEqual([
      { type: 'say', message: { type: 'leader', id: 'b', epoch: 1000, isUp: false } },
    ]);
    const fenced = stand.step(leads('a', 2000));
    expect(fenced).toContainEqual({ type: 'claim', claim: 2, steal: false });
    expect(stand.candidate.describe().leader).toEqual({ id: 'a', epoch: 2000, isUp: true });
  });

  it('lets one of two leaders of the same epoch step back', () => {
    const stands = ['a', 'b'].map((id) => new Stand(id));
    for (const stand of stands) {
      stand.step({ type: 'stand' });
      stand.step({ type: 'held', claim: 1 });
    }
    stands[0]?.step(leads('b', 1000));
    stands[1]?.step(leads('a', 1000));
    expect(stands.map(({ candidate }) => candidate.describe().role)).toEqual([
      'following',
      'leading',
    ]);
  });

  it('says nothing and waits for nothing once it has withdrawn', () => {
    const stand = new Stand('a');
    stand.step({ type: 'stand' });
    stand.step({ type: 'held', claim: 1 });
    const end = stand.step({ type: 'withdraw' });
    expect(types(end)).toEqual(['release', 'aside', 'wake']);
    expect(stand.step({ type: 'heard', message: { type: 'anyone', id: 'b' } })).toEqual([]);
    expect(stand.ticks(10)).toEqual([]);
  });

  it('tells all when its connection comes and goes, as long as it leads', () => {
    const stand = new Stand('a');
    stand.step({ type: 'stand' });
    expect(stand.step({ type: 'up', isUp: false })).toEqual([]);
    stand.step({ type: 'held', claim: 1 });
    const message = { type: 'leader', id: 'a', epoch: 1000, isUp: true } as const;
    expect(stand.step({ type: 'up', isUp: true })).toEqual([{ type: 'say', message }]);
    expect(stand.step({ type: 'up', isUp: true })).toEqual([]);
  });

  it('takes nothing for a message that is none', () => {
    const odd = [null, 'leader', {}, { type: 'leader', id: 'a' }, { type: 'anyone', id: 7 }];
    expect(odd.filter(isElectionMessage)).toEqual([]);
  });
});
