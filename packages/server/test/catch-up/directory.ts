import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory for one test. Ask for it before the server, which then closes before the directory goes. */
export function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
