import { asStoreName } from '@holdfast/protocol';
import type { Storage } from '@holdfast/server/storage';
import type { Device } from './device.ts';

/** Who has not sent what it had to, or lacks something that there is, and where that stands; null: nobody. */
export async function whoIsLate(
  devices: readonly Device[],
  { stores, storage }: { readonly stores: readonly string[]; readonly storage: Storage },
): Promise<string | null> {
  for (const name of stores) {
    const row = await storage.stores.find(asStoreName(name));
    const head = row === null ? null : await storage.open(row.id);
    for (const device of devices.filter((each) => each.uses(name))) {
      const { seq, pending, synced } = device.store(name).status.get();
      const { connection } = device.client.status.get();
      const isHere = connection === 'connected' && !device.isAsleep && !device.isUnaware;
      if (seq === head?.head && pending === 0 && synced && isHere) continue;
      return `${device.name}, ${connection}, is at ${seq} of ${head?.head} in ${name}, with ${pending} pending`;
    }
  }
  return null;
}
