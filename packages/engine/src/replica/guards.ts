import type { Path, Precondition, Request, Seq, Write } from '@holdfast/protocol';
import type { Tree } from '../data/index.ts';

/** Whether a request rests on revisions or tokens, which mean nothing in another incarnation (stores.md §10.1.3). */
export function isGuarded(request: Request): boolean {
  if (request.op !== 'transact') return isGuardedWrite(request);
  return (
    request.ops.some(isGuardedWrite) ||
    request.preconditions.some(({ kind }) => kind === 'if_match' || kind === 'fence')
  );
}

function isGuardedWrite(write: Write): boolean {
  return 'ifMatch' in write || 'fence' in write;
}

/** Whether a request is about leases: then it is neither shown nor kept while offline (stores.md §18 C1). */
export function isAboutLeases(request: Request): boolean {
  if (request.op === 'transact') return request.ops.some(isAboutLeases);
  return request.op === 'lease' || request.op === 'renew' || request.op === 'release';
}

/** Whether a request that is applied twice may do more than one that is applied once. */
export function addsUp(request: Request): boolean {
  if (request.op === 'transact') return request.ops.some(addsUp);
  return request.op === 'increment' || request.op === 'remove';
}

/** What a client knows that bears on guards: its view, and which paths its own unanswered requests touch. */
export type Knowledge = { readonly tree: Tree; readonly touches: (path: Path) => boolean };

/**
 * The request without the guards that only the authority can judge: fences (it alone knows whether a lease lives),
 * guards on paths that own unanswered requests touch (their revisions are not known yet), and revisions that are newer
 * than the replica's.
 */
export function withJudgeableGuards(request: Request, knowledge: Knowledge): Request {
  if (request.op !== 'transact') return judgeable(request, knowledge);
  const ops = request.ops.map((write) => judgeable(write, knowledge));
  const preconditions = request.preconditions.filter((each) => isJudgeable(each, knowledge));
  return { op: 'transact', ops, preconditions };
}

/** The request without any guard: what is shown until the authority judges them. */
export function withoutGuards(request: Request): Request {
  if (request.op !== 'transact') return bare(request);
  return { op: 'transact', ops: request.ops.map(bare), preconditions: [] };
}

function judgeable(write: Write, knowledge: Knowledge): Write {
  const { op, path } = write;
  if (op !== 'set' && op !== 'delete') return bare(write);
  const { ifMatch } = write;
  const match = ifMatch !== undefined && isPast(path, ifMatch, knowledge) ? { ifMatch } : {};
  if (op === 'delete') return { op, path, ...match };
  const isAbsent = write.ifAbsent === true && !knowledge.touches(path);
  return { op, path, value: write.value, ...match, ...(isAbsent ? { ifAbsent: true } : {}) };
}

function bare(write: Write): Write {
  const { op, path } = write;
  switch (op) {
    case 'set':
      return { op, path, value: write.value };
    case 'delete':
      return { op, path };
    case 'merge':
      return { op, path, value: write.value };
    case 'increment':
      return { op, path, value: write.value };
    case 'add':
    case 'remove':
      return { op, path, value: write.value };
    case 'lease':
    case 'renew':
    case 'release':
      break;
  }
  return write;
}

function isJudgeable(condition: Precondition, knowledge: Knowledge): boolean {
  if (condition.kind === 'fence' || knowledge.touches(condition.path)) return false;
  return condition.kind !== 'if_match' || isPast(condition.path, condition.revision, knowledge);
}

/** Whether the revision is one that a path had and will never have again, or has now; revisions only grow. */
function isPast(path: Path, revision: Seq, { tree, touches }: Knowledge): boolean {
  if (touches(path)) return false;
  const known = tree.leaf(path)?.revision ?? tree.mapRevision(path);
  return known !== undefined && known >= revision;
}
