import type { UploadState } from '@holdfast/protocol';
import type { NodeKey } from '@holdfast/engine/mirror';
import type { Room } from '../room.ts';
import type { Root } from './root.ts';
import type {
  SelectedFile,
  SelectOptions,
  StartOptions,
  Uploader,
  UploadFile,
  UploadHandle,
  UploadOutcome,
  UploadSlot,
} from './upload.ts';

/** What sends the files of a root. */
interface Transfers {
  select: (
    slot: UploadSlot,
    files: readonly UploadFile[],
    options?: SelectOptions,
  ) => Promise<readonly SelectedFile[]>;
  start: (slot: UploadSlot, options?: StartOptions) => Promise<readonly UploadOutcome[]>;
  cancel: (slot: UploadSlot, ref?: string) => Promise<void>;
  reset: (slot: UploadSlot) => void;
}

/** The upload handles of one root: one for each slot, as long as the root is held. */
export class Uploads {
  readonly #root: Root;
  readonly #room: Room;
  readonly #uploaders: ReadonlyMap<string, Uploader>;
  readonly #handles = new Map<string, UploadHandle>();
  #transfers: Promise<Transfers> | null = null;

  constructor(root: Root, room: Room, uploaders: ReadonlyMap<string, Uploader>) {
    this.#root = root;
    this.#room = room;
    this.#uploaders = uploaders;
  }

  handle(node: NodeKey, name: string): UploadHandle {
    const known = this.#handles.get(node + name);
    if (known !== undefined) return known;
    const slot: UploadSlot = { node, name };
    const actions: Pick<UploadHandle, 'select' | 'start' | 'cancel' | 'reset'> = {
      select: async (files, options) => (await this.#load()).select(slot, [...files], options),
      start: async (options) => (await this.#load()).start(slot, options),
      cancel: async (ref) => (await this.#load()).cancel(slot, ref),
      reset: async () => (await this.#load()).reset(slot),
    };
    const state = (): UploadState | undefined => this.#root.mount?.mirror.upload(node, name);
    for (const member of ['config', 'status', 'entries', 'errors', 'progress'] as const) {
      Object.defineProperty(actions, member, { get: () => state()?.[member], enumerable: true });
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- with the members of its state
    const handle = actions as unknown as UploadHandle;
    this.#handles.set(node + name, handle);
    return handle;
  }

  /** What sends files is loaded when the first one is announced. */
  #load(): Promise<Transfers> {
    this.#transfers ??= import('./transfers.ts').then(
      ({ Transfers: Sender }) => new Sender(this.#root, this.#room, this.#uploaders),
    );
    return this.#transfers;
  }
}
