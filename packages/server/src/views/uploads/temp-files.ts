import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

const named = /^holdfast-uploads-(\d+)-/;

/** The bytes of uploads on their way, in a directory of this process alone (views.md §10.5). */
export class TempFiles {
  readonly #parent: string;
  readonly #directory: string;
  #made = false;

  /** What processes that are gone have left is removed. `key` tells servers of one process apart. */
  constructor(parent: string, key: string) {
    this.#parent = parent;
    this.#directory = join(parent, `holdfast-uploads-${process.pid}-${key}`);
    sweep(parent);
  }

  /** Makes an empty file that only this user can read. */
  async create(name: string): Promise<TempFile> {
    if (!this.#made) mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#made = true;
    const path = join(this.#directory, name);
    return new TempFile(path, await open(path, 'wx+', 0o600));
  }

  close(): void {
    if (this.#made) rmSync(this.#directory, { recursive: true, force: true });
  }

  get parent(): string {
    return this.#parent;
  }
}

/** One file that bytes are added to. */
export class TempFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size = 0;
  #closed: Promise<void> | null = null;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  get size(): number {
    return this.#size;
  }

  async append(bytes: Uint8Array): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      // oxlint-disable-next-line no-await-in-loop -- what one write leaves is for the next
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.#size);
      at += bytesWritten;
      this.#size += bytesWritten;
    }
  }

  /** Nothing is added any more. */
  close(): Promise<void> {
    this.#closed ??= this.#handle.close();
    return this.#closed;
  }

  async remove(): Promise<void> {
    await this.close().catch(() => undefined);
    await rm(this.path, { force: true });
  }
}

function sweep(parent: string): void {
  for (const name of namesIn(parent)) {
    const match = named.exec(name);
    // The place is full of things that are none of ours.
    if (match === null) continue;
    const pid = Number(match[1]);
    const directory = join(parent, name);
    const isInUse = pid === process.pid ? isOfThis(directory) : isAlive(pid);
    if (!isInUse) removed(directory);
  }
}

/** In a directory that all users share, what another's process has left is that one's to remove. */
function removed(directory: string): void {
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
