import type { RoomView } from './holdfast.ts';

let last: Promise<unknown> = Promise.resolve();

/** Brings a file to the server, after those before it; what the upload is called there. Rejects in words for people. */
export function bring(view: RoomView, file: File): Promise<string> {
  const brought = last.then(() => bringNow(view, file));
  last = brought.catch(() => undefined);
  return brought;
}

async function bringNow({ picture }: RoomView, file: File): Promise<string> {
  await picture.select([file]);
  const [refused] = picture.errors;
  if (refused !== undefined) throw new Error(`${refused.message}.`);
  const [outcome] = await picture.start();
  if (outcome?.error !== undefined) throw new Error(`${outcome.error.message}.`);
  return outcome?.ref ?? '';
}
