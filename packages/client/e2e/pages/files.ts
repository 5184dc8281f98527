import { createClient, HoldfastError } from '@holdfast/client';

/** Sends files there and back, and tells what came of it. */
export async function roundTrip(url: string, token: string): Promise<object> {
  const client = createClient({ url, token });
  const store = client.store('acme/app');
  await store.ready;
  const content = new Uint8Array(3_000_000).map((_, index) => (index * 7) % 251);
  const progress: number[] = [];
  const stored = await store.putFile('docs/blob', new File([content], 'ä.bin'), {
    onProgress: ({ sent }) => progress.push(sent),
  });
  const shown = JSON.stringify(store.get('docs/blob')).includes(stored.hash);
  const file = await store.getFile('docs/blob');
  const back = new Uint8Array((await (await file?.blob())?.arrayBuffer()) ?? new ArrayBuffer(0));
  const streamed = await store.putFile('docs/stream', new Blob([content]).stream());
  const part = await store.getFile('docs/stream', { range: { start: 7, end: 9 } });
  const bytes = new Uint8Array((await (await part?.blob())?.arrayBuffer()) ?? new ArrayBuffer(0));
  const refused: unknown = await store
    .putFile('docs/blob', new Blob(['x']), { ifAbsent: true })
    .catch((error: unknown) => error);
  const none = await store.getFile('nothing');
  await client.close();
  return {
    shown,
    same: back.length === content.length && back.every((byte, index) => byte === content[index]),
    inPieces: progress.length > 2 && progress.at(-1) === content.length,
    sameHash: streamed.hash === stored.hash,
    filename: file?.filename,
    size: part?.size,
    bytes: [...bytes],
    none: none === undefined,
    refused: refused instanceof HoldfastError ? refused.code : String(refused),
  };
}
