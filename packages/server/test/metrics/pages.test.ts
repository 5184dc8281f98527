import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { world } from '../conversation/world.ts';
import { Scrape } from './scrape.ts';

function read(path: string): string {
  return readFileSync(new URL(`../../../../docs/${path}`, import.meta.url), 'utf8');
}

/** The names of metrics in a text; the parts of a histogram are one. */
function metricsIn(text: string): Set<string> {
  const names = text.match(/\b(holdfast|process)_[a-z_]+/g) ?? [];
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')));
}

type Panel = { readonly targets?: readonly { readonly expr: string }[] };

test('the dashboard shows every metric, and none that does not exist', async () => {
  const { url } = await world();
  const { panels } = JSON.parse(read('ops/grafana-dashboard.json')) as { panels: readonly Panel[] };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const { families } = await Scrape.of(url);
  expect(metricsIn(expressions.join('\n'))).toEqual(new Set(families.keys()));
});

test('the page about operating lists every metric, and none that does not exist', async () => {
  const { url } = await world();
  const rows = read('guide/operating.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  const { families } = await Scrape.of(url);
  expect(metricsIn(rows.join('\n'))).toEqual(new Set(families.keys()));
});
