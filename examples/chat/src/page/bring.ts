import type { RoomView } from './holdfast.ts';

let last: Promise<unknown> = Promise.resolve();

/** Brings a file to the server, after those before it; what the upload is called there. Rejects in words for people. */
export function bring(view: RoomView, file: File): Promise<string> {
  const brought = last.then(() => bringNow(view, file));
  last = brought.catch(() => undefined);
  return brought;
}

async function bringNow({ picture }: RoomView, file: File): Promise<string> {
  const [chosen] = await picture.select([file]);
  if (chosen?.ref === undefined) throw new Error(`${chosen?.error.message ?? 'nothing selected'}.`);
  const [outcome] = await picture.start();
  if (outcome?.error !== undefined) throw new Error(`${outcome.error.message}.`);
  return chosen.ref;
}
