import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Removes the directories `<prefix>-<process>-…` that processes which are gone have left in a place for temporary files. */
export function sweepLeftovers(parent: string, prefix: string): void {
  for (const name of namesIn(parent)) {
    const pid = pidIn(name, prefix);
    // The place is full of things that are none of ours.
    if (pid === null) continue;
    const directory = join(parent, name);
    const isInUse = pid === process.pid ? isOfThis(directory) : isAlive(pid);
    if (!isInUse) remove(directory);
  }
}

function pidIn(name: string, prefix: string): number | null {
  if (!name.startsWith(`${prefix}-`)) return null;
  const digits = /^(\d+)-/.exec(name.slice(prefix.length + 1))?.[1];
  return digits === undefined ? null : Number(digits);
}

/** In a directory that all users share, what another's process has left is that one's to remove. */
function remove(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch {
    // It stays, and stops nobody.
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** In a container every server has the same number as the one that died: what is older than this one is of that. */
function isOfThis(directory: string): boolean {
  const startedAt = Date.now() - process.uptime() * 1000;
  return (statSync(directory, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= startedAt - 1000;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user, but there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
