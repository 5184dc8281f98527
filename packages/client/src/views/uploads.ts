import type { NodeKey } from '@holdfast/engine/mirror';
import { handled } from '../handled.ts';
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

const members = ['config', 'status', 'entries', 'errors', 'progress'] as const;

/** The upload handles of one root: one for each slot, as long as the root is held. */
export function uploadsOf(
  root: Root,
  room: Room,
  uploaders: ReadonlyMap<string, Uploader>,
): (node: NodeKey, name: string) => UploadHandle {
  const handles = new Map<string, UploadHandle>();
  let transfers: Promise<Transfers> | null = null;
  /** What sends files is loaded when the first one is announced; what could not be had is tried again. */
  const load = (): Promise<Transfers> =>
    (transfers ??= import('./transfers.ts').then(
      ({ Transfers: Sender }) => new Sender(root, room, uploaders),
      (error: unknown) => {
        transfers = null;
        throw error;
      },
    ));
  return (node, name) => {
    const known = handles.get(node + name);
    if (known !== undefined) return known;
    const slot: UploadSlot = { node, name };
    const actions: Pick<UploadHandle, 'select' | 'start' | 'cancel' | 'reset'> = {
      select: (files, options) =>
        handled(async () => {
          // Before anything else: a form that is cleared empties its list.
          const all = [...files];
          return (await load()).select(slot, all, options);
        }),
      start: (options) => handled(async () => (await load()).start(slot, options)),
      cancel: (ref) => handled(async () => (await load()).cancel(slot, ref)),
      reset: () => handled(async () => (await load()).reset(slot)),
    };
    for (const member of members) {
      const get = (): unknown => root.mount?.mirror.upload(node, name)[member];
      Object.defineProperty(actions, member, { get, enumerable: true });
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- with the members of its state
    const handle = actions as unknown as UploadHandle;
    handles.set(node + name, handle);
    return handle;
  };
}
