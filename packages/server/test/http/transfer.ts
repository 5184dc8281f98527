import { defaultLimits } from '@holdfast/protocol';
import { type Ask, World } from './world.ts';

/** Two stores, and somebody who may do everything in them. */
export type Here = { readonly world: World; readonly ask: Ask; readonly raw: string };

/** Opens the stores `acme/blog` and `acme/copy`. */
export async function open(): Promise<Here> {
  const world = new World({ limits: defaultLimits });
  await world.store('acme/blog');
  await world.store('acme/copy');
  const { ask, raw } = await world.token();
  return { world, ask, raw };
}

/** Where a store is. */
export const S = (name: string): string => `/api/stores/acme/${name}`;

type Told = { readonly [field: string]: unknown };

/** Imports into `acme/copy`. */
export async function imported(
  { world, raw }: Pick<Here, 'world' | 'raw'>,
  body: string | ReadableStream<Uint8Array>,
  query = '',
): Promise<{ readonly status: number; readonly json: Told }> {
  const response = await world.app.request(`${S('copy')}/import${query}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${raw}`, 'Content-Type': 'application/x-ndjson' },
    body,
    ...(typeof body !== 'string' && { duplex: 'half' }),
  });
  return { status: response.status, json: (await response.json()) as Told };
}

/** The first line of an export. */
export const firstLine = '{"_header":true,"path_schema_version":3}';

/** An export with these lines. */
export const asImport = (...each: readonly object[]): string =>
  [firstLine, ...each.map((e) => JSON.stringify(e))].join('\n');
