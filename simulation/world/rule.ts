import { Consult, type Gate } from '@holdfast/engine/data';
import { type Path, type Refusal, refuse } from '@holdfast/protocol';

type Proposal = Parameters<Gate['judge']>[0];

/** A rule that has to be asked about some writes before they are decided; a few of them may not be. */
export const rule: Gate = {
  mutate: () => [],
  screen: () => null,
  judge(proposal) {
    const { changes, advice } = proposal;
    const keys = changes.filter(({ path }) => isAsked(path)).map((each) => keyOf(proposal, each));
    for (const key of keys) {
      const refusal = advice.get(key) ?? null;
      if (refusal !== null) return refusal;
    }
    const open = keys.filter((key) => !advice.has(key));
    if (open.length === 0) return [];
    return new Consult(open.map((key) => ({ key, verdict: Promise.resolve(verdictOn(key)) })));
  },
  migrate: () => [],
};

/** What is said of a question, by its key: the same of a request whenever it is asked, and of one that is asked each time. */
export function verdictOn(key: string): Refusal | null {
  const [request = ''] = key.split(separator);
  return refused.test(request) ? refuse('path_not_allowed', { path: key }) : null;
}

const separator = ' at ';
const refused = /^\{"op":"set","path":"(n\/|t\/a).*9/;

function isAsked(path: Path): boolean {
  return path.startsWith('n/') || path.startsWith('t/a');
}

/** Of some paths what was there before counts, so that it has to be asked anew where others change that. */
function keyOf({ request }: Proposal, { path, before }: Proposal['changes'][number]): string {
  const since = path.startsWith('t/') ? [before?.value ?? null] : [];
  return [JSON.stringify(request), JSON.stringify([path, ...since])].join(separator);
}
