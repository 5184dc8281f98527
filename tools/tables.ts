import { existsSync, readFileSync } from 'node:fs';
import { defaultLimits, refusals } from '@holdfast/protocol';
import { figures } from '../bench/figures/index.ts';
import type { Result } from '../bench/figure.ts';
import { table } from './pages.ts';

const results = 'bench/results.json';

/** The closed table of refusals. */
export function refusalTable(): string {
  const rows = Object.entries(refusals).map(([reason, { retry, http, fields, says }]) => [
    `\`${reason}\``,
    retry,
    http === null ? '–' : String(http),
    fields.length === 0 ? '–' : fields.map((field) => `\`${field}\``).join(', '),
    says,
  ]);
  return table(['reason', 'retry', 'HTTP', 'extra fields', 'what happened, what to do'], rows);
}

/** The limits with their defaults. */
export function limitTable(): string {
  const rows = Object.entries(defaultLimits).map(([name, limit]) => [
    `\`${name}\``,
    limit.toLocaleString('en-GB').replaceAll(',', ' '),
    unitOf(name),
  ]);
  return table(['name', 'default', 'unit'], rows);
}

/** The figures of the last full run of `npm run bench`, and nothing else. */
export function figureTable(): string {
  if (!existsSync(results)) {
    return 'There are no figures yet: `npm run bench` measures them and `npm run docs` puts them here.';
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- bench/run.ts wrote it
  const measured = JSON.parse(readFileSync(results, 'utf8')) as { readonly [id: string]: Result };
  const rows = figures.flatMap(({ id, against }) => {
    const result = measured[id];
    if (result === undefined) return [];
    const { ours, limit, unit, ratio, goal, pass } = result;
    return [
      [id, `${ours} ${unit}`, `${limit}`, against, `${ratio}`, goal, pass ? 'met' : 'missed'],
    ];
  });
  return table(
    ['figure', 'Holdfast', 'yardstick', 'what the yardstick is', 'ratio', 'goal', ''],
    rows,
  );
}

function unitOf(name: string): string {
  if (name.endsWith('_ms')) return 'milliseconds';
  if (name.includes('bytes') || /^max_(json_body|import_line)$/.test(name)) return 'bytes';
  return name === 'max_depth' ? 'segments; levels in a value' : 'count';
}
