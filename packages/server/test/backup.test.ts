import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createServer } from '@holdfast/server';
import { backUp } from '@holdfast/server/backup';
import { expect, onTestFinished, test } from 'vitest';

const program = `import { backUp } from '@holdfast/server/backup';
  const [from, to] = process.argv.slice(-2);
  await backUp({ from, to, now: Date.now }).catch(({ message }) => console.log(message));`;

/** Backs up in a process none of whose files may have more than two megabytes. */
function backUpInLittleRoom(from: string, to: string): string {
  const node = [process.execPath, '--conditions=@holdfast/source', '--input-type=module'];
  const limited = ['-c', 'ulimit -f 4000; exec "$@"', 'sh', ...node, '-e', program, '--', from, to];
  return execFileSync('sh', limited, { cwd: import.meta.dirname, encoding: 'utf8' });
}

test.skipIf(process.platform === 'win32')(
  'a backup that finds no room amid the database leaves nothing, and the same is made once there is room',
  async () => {
    const data = mkdtempSync(join(tmpdir(), 'holdfast-backup-'));
    onTestFinished(() => rmSync(data, { recursive: true, force: true }));
    const server = createServer({ data });
    await server.listen();
    await server.close();
    const database = new DatabaseSync(join(data, 'holdfast.db'));
    database.exec('CREATE TABLE bulk (content BLOB); INSERT INTO bulk VALUES (zeroblob(8000000))');
    database.close();
    const to = join(data, 'backup');
    expect(backUpInLittleRoom(data, to)).toContain('disk I/O error');
    expect(readdirSync(to)).toEqual([]);
    expect(await backUp({ from: data, to, now: Date.now })).toMatchObject({ stores: 0 });
  },
);
