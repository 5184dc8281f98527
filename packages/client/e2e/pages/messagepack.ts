import { createClient } from '@holdfast/client';
import { messagePack } from '@holdfast/client/codec/messagepack';

/** Writes, reads, watches and begins anew with a snapshot, in MessagePack or in JSON, and tells what came of it. */
export async function speak(
  url: string,
  token: string,
  name: string,
  isJson = false,
): Promise<object> {
  const codec = isJson ? {} : { codec: messagePack() };
  const clients = ['writer', 'reader'].map((deviceId) =>
    createClient({ url, token, deviceId, ...codec }),
  );
  const [writer, reader] = clients.map((client) => client.store(name));
  if (writer === undefined || reader === undefined) throw new Error('there are no stores');
  await writer.put('posts', { a: 1.5, b: ['ü', null, true], c: { d: -1 } }).committed;
  await reader.ready;
  const snapshot = reader.get('posts');
  const heard = new Promise((resolve) => {
    reader.on('posts/*', ({ path, value }) => resolve([path, value]));
  });
  const { seq } = await writer.put('posts/a', 2).committed;
  const watched = await heard;
  await Promise.all(clients.map((client) => client.close()));
  return { snapshot, watched, seq };
}
