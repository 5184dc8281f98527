import { Writer } from './kill/writer.ts';
import { Dice } from './src/dice.ts';
import type { World } from './src/world.ts';

/** Has some write to a store: who is asleep writes nothing; what the others write, the roll decides. */
export function writersOf(
  world: World,
  names: readonly string[],
  storeName: string,
): (who: number, roll: number) => void {
  const writers = names.map((name) => {
    const device = world.device(name);
    const { client } = device;
    const site = { client, store: device.store(storeName), resumes: [], resyncs: [] };
    return { device, writer: new Writer(name, { site, dice: new Dice(0) }) };
  });
  return (who, roll) => {
    const { device, writer } = writers[who] ?? {};
    if (device?.isAsleep === false) writer?.write(new Dice(roll));
  };
}
