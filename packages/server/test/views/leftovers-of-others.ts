// A server of another user than the one who has left something in the place for temporary files; `upload-hooks.test.ts` starts it.
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';

const nobody = 65_534;
// Who is not root already cannot remove what stands in a directory that may not be written to.
if (process.getuid?.() === 0) process.setuid?.(nobody);
const server = createServer({ storage: memory() });
const { url } = await server.listen();
process.stdout.write(url);
await server.close();
