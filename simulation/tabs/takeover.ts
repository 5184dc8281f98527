import { Neighbourhood } from './street.ts';

const takeoverMs = 2000;
const tabsCount = 4;

/** How a tab that leads may end. */
export const endings: { readonly [how: string]: (place: Neighbourhood) => void } = {
  closes: (place) => place.leader?.close(),
  crashes: (place) => place.leader?.life.end(),
  freezes: (place) => place.leader?.life.freeze(),
};

/** A run of a seed: the tab that leads ends, the others write, and are to know within 2 s that it is committed (P67). */
export async function runTakeover(seed: number, how: string): Promise<readonly string[]> {
  // A snapshot makes replicas wait for the answers of what they are unsure of.
  const place = new Neighbourhood(seed, { snapshot: seed % 2 });
  for (let count = 0; count < tabsCount; count++) {
    place.open();
    await place.pass(100 + place.dice.below(1000));
  }
  const others = place.awake.filter((tab) => tab !== place.leader);
  endings[how]?.(place);
  for (const tab of others) place.write(tab);
  const tookMs = await place.until(() =>
    others.every(({ writes }) => writes.every(({ committedAt }) => committedAt !== null)),
  );
  const isLate = tookMs === null || tookMs >= takeoverMs;
  await place.rest();
  for (const { client } of place.alive) void client.close();
  const late = isLate ? [`late: the tab that leads ${how}, and it takes ${tookMs} ms`] : [];
  return [...late, ...place.problems];
}
