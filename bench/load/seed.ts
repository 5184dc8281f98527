import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start } from '../servers/process.ts';
import type { Testimony } from '../history/testimony.ts';
import { Writer } from './writers.ts';

const LEAVES_PER_WRITE = 10_000;

/** Makes a data directory whose store holds so many leaves, and returns it, and what who wrote them was told. */
export async function seed(
  leaves: number,
): Promise<{ readonly data: string; readonly testimony: Testimony }> {
  const data = mkdtempSync(join(tmpdir(), 'holdfast-seed-'));
  const server = await start('holdfast', { data });
  const writer = await Writer.open(server.port, 'seed', 1);
  for (let from = 0; from < leaves; from += LEAVES_PER_WRITE) {
    const value: Record<string, object> = {};
    for (let index = from; index < from + LEAVES_PER_WRITE; index += 2) {
      value[`place-${index}`] = { name: `A place called ${index}`, population: index * 37 };
    }
    await writer.put(`part-${from / LEAVES_PER_WRITE}`, value);
  }
  writer.close();
  await server.stop();
  return { data, testimony: writer.testimony() };
}
