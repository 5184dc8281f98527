import { open } from 'node:fs/promises';

/** Makes durable what was made or renamed in a directory. Windows does so by itself, and refuses to be asked. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
