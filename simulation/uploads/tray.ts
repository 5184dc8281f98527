import { app, KEEP, RejectedError, upload, type UploadedEntry, view } from '@holdfast/server';
import { z } from 'zod';

/** What the views of a world with uploads tell it, and ask of it. */
export type TrayPorts = {
  /** An upload is complete. */
  readonly completed: (ref: string) => void;
  /** Somebody looks at the bytes of an entry, in the file at a path. */
  readonly looked: (entry: UploadedEntry, path: string | null) => void;
  /** Entries are gone for good, as soon as the task that took them is committed. */
  readonly took: (refs: readonly string[]) => void;
  /** Whether what is taken stays there, which must be seen. */
  readonly isKept: () => boolean;
  /** Lets a while pass. */
  readonly pause: () => Promise<void>;
};

/** How entries are taken: at once, after a while, only looked at, or by a task that fails. */
export const takings = ['all', 'slow', 'keep', 'fail'] as const;

export const chunkBytes = 4000;
const sizeMax = 120_000;

/** A view that takes files; the one that all share, or one for each. */
function trayOf(scope: 'connection' | 'shared', ports: TrayPorts) {
  return view({
    name: scope === 'shared' ? 'Tray' : 'Drawer',
    scope,
    params: z.object({}),
    uploads: {
      files: upload({
        accept: 'any',
        maxEntries: 6,
        maxFileSize: sizeMax,
        chunkSize: chunkBytes,
        onProgress: (ctx, { progress }) =>
          ctx.update((s: { progress: number }) => void (s.progress = progress)),
        onComplete: (_ctx, { ref }) => ports.completed(ref),
      }),
    },
    mount: () => ({ taken: 0, touched: 0, progress: 0 }),
    render: (state, h) => ({ ...state, files: h.upload('files') }),
    commands: {
      take: {
        input: z.object({ how: z.enum(takings) }),
        run: async (ctx, { how }) => {
          const refs: string[] = [];
          await ctx.uploads.consume('files', async (entry, file) => {
            ports.looked(entry, file?.path ?? null);
            if (how === 'slow') await ports.pause();
            if (how === 'keep') return KEEP;
            if (how === 'fail') throw new RejectedError('no');
            refs.push(entry.ref);
            return ports.isKept() ? KEEP : entry.ref;
          });
          ports.took(refs);
          ctx.update((s) => void (s.taken += refs.length));
        },
      },
      drop: {
        run: (ctx) => {
          const [first] = ctx.uploads.entries('files');
          if (first !== undefined) ctx.uploads.cancel('files', first.ref);
        },
      },
      list: {
        reply: z.object({ entries: z.array(z.unknown()) }),
        run: (ctx) => ({
          entries: ctx.uploads
            .entries('files')
            .map(({ ref, status, progress }) => [ref, status, progress]),
        }),
      },
      touch: { run: (ctx) => ctx.update((s) => void (s.touched += 1)) },
    },
  });
}

/** The app of a world. */
export function traysFor(ports: TrayPorts) {
  return app({ views: [trayOf('shared', ports), trayOf('connection', ports)] });
}
