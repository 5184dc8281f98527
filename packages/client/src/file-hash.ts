import { sha256 } from '@noble/hashes/sha2.js';
import type { ClientEnv } from './env.ts';

const sliceMs = 12;

/** The name of content, `sha256:<hex>`, read piece by piece; the event loop gets its turn now and then (stores.md §18 C21). */
export async function hashOf(
  content: Blob,
  env: Pick<ClientEnv, 'now' | 'setTimeout'>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const digest = sha256.create();
  let since = env.now();
  for await (const bytes of piecesOf(content.stream())) {
    signal?.throwIfAborted();
    digest.update(bytes);
    if (env.now() - since < sliceMs) continue;
    await new Promise<void>((resolve) => env.setTimeout(resolve, 0));
    since = env.now();
  }
  const hex = Array.from(digest.digest(), (byte) => byte.toString(16).padStart(2, '0'));
  return `sha256:${hex.join('')}`;
}

/** The bytes of a stream; not every browser iterates streams by itself. */
export async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
