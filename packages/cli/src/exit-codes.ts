import type { Reason } from '@holdfast/protocol';

/** What a run of the command came to: the names of the exit codes. */
export type Outcome =
  | 'ok'
  | 'unexpected'
  | 'usage'
  | 'conflict'
  | 'exists'
  | 'held'
  | 'denied'
  | 'offline'
  | 'refused'
  | 'not_found'
  | 'interrupted';

type Row = { readonly exit: number; readonly says: string; readonly reasons: readonly Reason[] };

/** The one table of exit codes; `holdfast help exit-codes` and the README are made from it. */
export const exitCodes: { readonly [outcome in Outcome]: Row } = {
  ok: { exit: 0, says: 'Done.', reasons: [] },
  unexpected: {
    exit: 1,
    says: 'Something failed that should not have.',
    reasons: ['internal_error', 'internal error'],
  },
  usage: {
    exit: 2,
    says: 'It cannot run as it was called: a wrong option or value, or a file, port or data directory that it cannot use.',
    reasons: [],
  },
  conflict: {
    exit: 3,
    says: 'Somebody else changed it first (--if-match, preconditions).',
    reasons: ['conflict'],
  },
  exists: { exit: 4, says: 'There is something already (--if-absent).', reasons: ['exists'] },
  held: {
    exit: 5,
    says: 'A lease stands in the way, or is no longer held.',
    reasons: ['held', 'not_held', 'fenced', 'occupied'],
  },
  denied: {
    exit: 6,
    says: 'The token is not accepted here, or may not do this.',
    reasons: [
      'unauthorized',
      'store_not_allowed',
      'missing_scope',
      'path_not_allowed',
      'presence_not_allowed',
    ],
  },
  offline: {
    exit: 7,
    says: 'No server answered in time, or it is too busy now. The same command may work later.',
    reasons: [
      'timeout',
      'unavailable',
      'disconnected',
      'overloaded',
      'over_capacity',
      'rate_limited',
      'blocked',
    ],
  },
  refused: {
    exit: 8,
    says: 'The server refused for any other reason; `code` names it.',
    reasons: [],
  },
  not_found: {
    exit: 9,
    says: 'There is no such entry, store, token, view or command of a view.',
    reasons: ['unknown root', 'unknown store', 'unknown command'],
  },
  interrupted: {
    exit: 130,
    says: 'Ctrl-C was pressed twice, or amid a transfer, which goes on when it is run again.',
    reasons: [],
  },
};

const outcomes = new Map<string, Outcome>(
  (['conflict', 'exists', 'held', 'denied', 'offline', 'unexpected', 'not_found'] as const).flatMap(
    (outcome) => exitCodes[outcome].reasons.map((reason) => [reason, outcome] as const),
  ),
);

/** What a refusal's reason (stores.md §8) means for the exit code. */
export function outcomeOf(reason: string): Outcome {
  return outcomes.get(reason) ?? 'refused';
}

const rows = Object.entries(exitCodes);
const nameColumns = Math.max(...rows.map(([name]) => name.length));

/** The table of exit codes for a terminal. */
export function exitCodeText(): string {
  return rows
    .map(([name, { exit, says, reasons }]) => {
      const list = reasons.length > 0 ? ` (${reasons.join(', ')})` : '';
      return `${String(exit).padStart(5)}  ${name.padEnd(nameColumns)}  ${says}${list}`;
    })
    .join('\n');
}

/** The same as rows of Markdown, for the README. */
export function exitCodeRows(): readonly string[] {
  return rows.map(([name, { exit, says, reasons }]) => {
    const list =
      reasons.length > 0 ? ` Reasons: ${reasons.map((each) => `\`${each}\``).join(', ')}.` : '';
    return `| ${exit} | ${name} | ${says}${list} |`;
  });
}
