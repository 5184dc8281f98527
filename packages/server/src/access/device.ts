const BYTES_MAX = 128;
const RESERVED = ['system:', 'http:', 'web:', 'mcp:'];

/** Whether a client may name its device so (stores.md §7.1.2). */
export function isDeviceId(text: string | null): text is string {
  if (text === null || text === '' || Buffer.byteLength(text) > BYTES_MAX) return false;
  return !RESERVED.some((prefix) => text.startsWith(prefix));
}
