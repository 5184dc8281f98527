import { all, type Card, type Eyes } from './card.ts';
import type { Asked, Edge } from './fresh.ts';
import type { Judge, Viewer } from './judge.ts';
import type { Member, Shown, ShownRow } from './member.ts';
import { edgeIn, type Sight } from './reader.ts';
import { textOf } from '../text.ts';

/** What is wrong with what somebody was told and has shown, and how much of it there was. */
export type Verdict = {
  readonly problems: readonly string[];
  readonly told: number;
  readonly excused: number;
  readonly shown: number;
  readonly delivered: number;
};

/** Holds all that a client was told, and all that it has shown, against what was committed. */
export function verdictOn(
  judge: Judge,
  member: Member,
  authors: ReadonlyMap<string, string>,
): Verdict {
  const { subject, reader, options, shown } = member;
  const viewer: Viewer = { subject, granted: options.granted };
  const told = reader.subs.map((each) => judge.judge(subject, viewer, each));
  const excused = new Set<Sight>(told.flatMap((each) => [...each.excused]));
  const leaked = reader.delivered.filter(
    (each) => authors.get(each.token) !== subject && !judge.mayHear(viewer, each),
  );
  const judged = shown.filter((each) => isTelling(judge, viewer, each, excused));
  const wrong = judged.filter((each) => !isRight(judge, member, each));
  return {
    problems: [
      ...told.flatMap((each) => each.wrong),
      ...leaked.map(
        ({ token, at, frame }) =>
          `hidden: ${subject} was told ${token} at ${at.toFixed(0)} ms: ${frame}`,
      ),
      ...wrong.map((each) => describe(judge, member, each)),
    ],
    told: reader.subs.reduce((sum, { sights }) => sum + sights.length, 0),
    excused: excused.size,
    shown: judged.length,
    delivered: reader.delivered.length,
  };
}

/** Whether what was shown has to be right: not while more of the same commit is on its way. */
function isTelling(
  judge: Judge,
  viewer: Viewer,
  { told, at }: Shown,
  excused: ReadonlySet<Sight>,
): boolean {
  if (told !== null) return !excused.has(told);
  // What a commit hides or shows comes right behind it (records.md §17): the sets of the server know, others not yet.
  return judge.eyesAt(viewer, at).every(({ rights }) => rights === all);
}

function isRight(judge: Judge, member: Member, shown: Shown): boolean {
  const { rows, hasMore, end } = shown;
  const found = [rows, hasMore, end === null ? null : edgeIn(end)] as const;
  return candidates(judge, member, shown).some(([eyes, asked]) => {
    const wanted = wantedOf(judge, member, { shown, eyes, asked });
    if (wanted === null) return false;
    if (eyes.rights === all) return textOf(wanted) === textOf(found);
    if (idsOf(wanted) !== idsOf(found)) return false;
    return wanted[0].every(([id, card], at) => {
      const value = rows[at]?.[1] ?? {};
      const fields = Object.keys({ ...card, ...value }) as (keyof Card)[];
      return fields.every(
        (field) => card[field] === value[field] || judge.hasTurned(shown, eyes, { id, field }),
      );
    });
  });
}

function idsOf([rows, hasMore]: Window): string {
  return textOf([rows.map(([id]) => id), hasMore]);
}

/** What is shown, or ought to be. */
type Window = readonly [rows: readonly ShownRow[], hasMore: boolean, end: Edge | null];

type Candidate = readonly [eyes: Eyes, asked: Asked];

function candidates(
  judge: Judge,
  { subject, options }: Member,
  { at, asked }: Shown,
): readonly Candidate[] {
  const eyes = judge.eyesAt({ subject, granted: options.granted }, at);
  return eyes.flatMap((each) => asked.map((one) => [each, one] as const));
}

function wantedOf(
  judge: Judge,
  member: Member,
  { shown, eyes, asked }: { readonly shown: Shown; readonly eyes: Eyes; readonly asked: Asked },
): Window | null {
  const found = judge.fresh(shown, eyes, asked);
  const cards = judge.cardsAt(shown.incarnation, shown.seq, eyes);
  if (found === undefined || cards === undefined) return null;
  const rows = found.ids.flatMap((id) => {
    const card = member.reads(cards.get(id) ?? {});
    return card === null ? [] : [[id, card, 0] as const];
  });
  return [rows, found.hasMore, found.end];
}

function describe(judge: Judge, member: Member, shown: Shown): string {
  const { at, seq, rows, hasMore, end, told } = shown;
  const [eyes, asked] = candidates(judge, member, shown).at(-1) ?? [];
  const wanted = eyes && asked && wantedOf(judge, member, { shown, eyes, asked });
  const how = told === null ? 'by itself' : `told by ${told.by}`;
  return `shown: ${member.subject}, ${how}, shows of "${asked?.question.name}" up to ${asked?.limit} at ${seq}, at ${at.toFixed(0)} ms, ${textOf([rows, hasMore, end])} instead of ${textOf(wanted)}`;
}
