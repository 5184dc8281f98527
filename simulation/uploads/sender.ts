import { HoldfastError, type Link } from '@holdfast/client';
import { type UploadHandle, type ViewHandle, views } from '@holdfast/client/views';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { chunkBytes, takings } from './tray.ts';
import { contentOf, nameOf } from './content.ts';
import type { UploadMutant } from './mutants.ts';

/** How the upload of a file ended, as its sender was told. */
export type Outcome = {
  readonly sender: Sender;
  readonly who: string;
  readonly ref: string;
  readonly status: string;
  /** How often a server had ended, and its sender had left, when it was begun: it may have been done long ago. */
  readonly crashes: number;
  readonly leaves: number;
};

/** What all senders of a world share. */
export type Post = {
  readonly world: World;
  readonly complain: (word: string, text: string) => void;
  /** Whether the next chance to spoil something is taken. */
  readonly spoils: (mutant: UploadMutant) => boolean;
  readonly ended: (outcome: Outcome) => void;
};

/** How a command or a request may end in bad weather. */
const expected = new Set([
  'no',
  'disconnected',
  'closed',
  'timeout',
  'unknown store',
  'unknown upload',
  'internal_error',
]);

/** Why a file may not arrive: its sender was not heard of for too long, or has left meanwhile. */
const lost = new Set(['chunk_timeout', 'closed']);

const sizeMax = 90_000;
/** How long a device takes at most to read a piece of a file: from its disk, or from wherever else it is. */
const readMs = [50, 400, 6000] as const;

/** Somebody who brings files to a view that all share, and to one of their own. */
export class Sender {
  readonly device: Device;
  readonly #post: Post;
  readonly #name: string;
  #pages = new Map<string, ViewHandle>();
  /** What has been started and has not ended. */
  readonly #open = new Set<string>();
  #count = 0;
  /** How often it has left a view. */
  leaves = 0;

  constructor(post: Post, name: string) {
    this.#post = post;
    this.#name = name;
    this.device = post.world.device(name, {
      views: views(),
      wrap: (link) => this.#spoiled(link),
      onCrash: () => this.#open.clear(),
      onRestart: () => this.#pages.clear(),
    });
  }

  get rootIds(): readonly string[] {
    return ['Tray:t', `Drawer:${this.#name}`];
  }

  page(rootId: string): ViewHandle {
    let page = this.#pages.get(rootId);
    if (page === undefined) {
      const [module = '', id = ''] = rootId.split(':');
      page = this.device.client.view(module, { id });
      page.ready.catch(() => undefined);
      page.revalidated.catch(() => undefined);
      this.#pages.set(rootId, page);
    }
    return page;
  }

  /** Whether both views are live, and nothing is on its way. */
  get isAtRest(): boolean {
    const areLive = this.rootIds.every((id) => this.page(id).health.get().state === 'live');
    return areLive && this.#open.size === 0;
  }

  /** What is still on its way, in words. */
  get left(): string {
    return [...this.#open].join(', ');
  }

  act(does: string, dice: Dice): void {
    const rootId = dice.pick(this.rootIds);
    const { proxy } = this.page(rootId);
    if (does === 'leave') this.#leave(rootId);
    else if (does === 'take') this.#tell(proxy.$dispatch('take', { how: dice.pick(takings) }));
    else if (does === 'touch' || does === 'drop') this.#tell(proxy.$dispatch(does));
    else this.#use(this.#files(rootId), does, dice);
  }

  /** What the server has of the entries of a view, and what is shown of them. */
  async compare(rootId: string): Promise<readonly [unknown, unknown]> {
    const { entries } = (await this.page(rootId).proxy.$dispatch('list')) as { entries: unknown };
    const shown = this.#files(rootId)?.entries ?? [];
    const open = shown.map(({ ref, status, progress }) => [ref, status, progress]);
    return [open, entries];
  }

  /** Brings something to both views, in good weather, and has it taken there. */
  async finish(dice: Dice): Promise<void> {
    for (const rootId of this.rootIds) {
      const files = this.#files(rootId);
      if (files !== undefined) await this.#select(files, dice);
      await this.page(rootId).proxy.$dispatch('take', { how: 'all' });
    }
  }

  /** Gives up both views. */
  leave(): void {
    for (const rootId of this.rootIds) this.#leave(rootId);
  }

  #leave(rootId: string): void {
    this.leaves += 1;
    this.#pages.get(rootId)?.unmount();
    this.#pages.delete(rootId);
  }

  #files(rootId: string): UploadHandle | undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is declared so
    return this.page(rootId).proxy['files'] as UploadHandle | undefined;
  }

  #use(files: UploadHandle | undefined, does: string, dice: Dice): void {
    if (files === undefined) return;
    if (does === 'select') void this.#select(files, dice);
    else if (does === 'start') void this.#start(files);
    else if (does === 'reset') this.#tell(files.reset());
    else if (dice.chance(0.7)) {
      const [entry] = files.entries;
      if (entry !== undefined) this.#tell(files.cancel(entry.ref));
    } else this.#tell(files.cancel());
  }

  async #select(files: UploadHandle, dice: Dice): Promise<void> {
    const chosen = Array.from({ length: 1 + dice.below(3) }, () => this.#file(dice));
    const isStarted = dice.chance(0.8);
    try {
      await files.select(chosen);
      if (isStarted) await this.#start(files);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #start(files: UploadHandle): Promise<void> {
    const { lives } = this.device;
    const { leaves } = this;
    const { crashes } = this.#post.world.site;
    this.#count += 1;
    const name = `${this.#name} ${this.#count}`;
    this.#open.add(name);
    const outcomes = await files.start({ concurrency: 2 });
    if (this.device.lives !== lives) return;
    if (!this.#post.spoils('nobody is told how it ended')) this.#open.delete(name);
    for (const { ref, status, error } of outcomes) {
      this.#post.ended({ sender: this, who: name, ref, status, crashes, leaves });
      if (error !== undefined && !lost.has(error.code)) {
        this.#post.complain('calm', `an upload failed as ${error.code}: ${name}, ${ref}`);
      }
    }
  }

  /** A file of which each piece is read some time later, as from a disk. */
  #file(dice: Dice): File {
    const { world } = this.#post;
    const size = dice.chance(0.1) ? 0 : dice.below(dice.chance(0.3) ? sizeMax : 2 * chunkBytes);
    this.#count += 1;
    const name = nameOf(`${this.#name}${this.#count}`, size);
    const content = contentOf(name);
    const pieceMs = dice.pick(readMs);
    const file = new File([content], name);
    file.slice = (from = 0, to = size) => {
      const piece = new Blob([]);
      const bytes = content.slice(from, to);
      piece.arrayBuffer = async () => {
        await world.sleep(dice.below(pieceMs));
        return bytes.buffer;
      };
      return piece;
    };
    return file;
  }

  #tell(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    const code = error instanceof HoldfastError ? error.code : String(error);
    if (expected.has(code)) return;
    this.#post.complain('calm', `${this.#name}: ${code}`);
  }

  #spoiled(link: Link): Link {
    return {
      open: (url, events) => {
        const line = link.open(url, {
          ...events,
          received: (data) => events.received(this.#heard(data)),
        });
        const send = (data: string | Uint8Array): void => line.send(this.#said(data));
        return { send, close: (code) => line.close(code) };
      },
    };
  }

  /** Only chunks are bytes here. */
  #said(data: string | Uint8Array): string | Uint8Array {
    if (typeof data === 'string') return data;
    if (this.#post.spoils('a piece is longer than it may be')) {
      return Buffer.concat([data, Buffer.alloc(chunkBytes)]);
    }
    if (!this.#post.spoils('a byte is another')) return data;
    const other = data.slice();
    const last = other.length - 1;
    other[last] = (other[last] ?? 0) ^ 1;
    return other;
  }

  #heard(data: string | Uint8Array): string | Uint8Array {
    const isGone = /"upload_ops":\[\{"op":"(cancel|reset)"/;
    if (typeof data !== 'string' || !isGone.test(data)) return data;
    if (!this.#post.spoils('nobody is told that an entry is gone')) return data;
    return data.replace(/"upload_ops":\[.*?\](?=,"events")/, '"upload_ops":[]');
  }
}
