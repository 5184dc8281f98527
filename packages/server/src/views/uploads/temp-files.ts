import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { sweepLeftovers } from '../../files/index.ts';

const PREFIX = 'holdfast-uploads';

/** The bytes of uploads on their way, in a directory of this process alone (views.md §10.5). */
export class TempFiles {
  readonly #parent: string;
  readonly #directory: string;
  #made = false;

  /** What processes that are gone have left is removed. `key` tells servers of one process apart. */
  constructor(parent: string, key: string) {
    this.#parent = parent;
    this.#directory = join(parent, `${PREFIX}-${process.pid}-${key}`);
    sweepLeftovers(parent, PREFIX);
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
