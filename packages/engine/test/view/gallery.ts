import { KEEP, type UploadDefinition, type ViewDefinition } from '@holdfast/engine/view';
import type { UploadOp } from '@holdfast/protocol/views';
import { Rig, type RigOptions, type ViewClient } from './instance-rig.ts';

/** How often the view has rendered, and what its commands have seen. */
export const noted = { renders: 0, seen: [] as string[] };

/** A view with an upload of at most two pictures, and commands that look at them. */
export function withUpload(
  definition: Partial<UploadDefinition> = {},
  more: Partial<ViewDefinition> = {},
): ViewDefinition {
  return {
    name: 'gallery',
    uploads: { avatar: { accept: ['.png'], maxEntries: 2, maxFileSize: 1000, ...definition } },
    render: (_, h) => {
      noted.renders++;
      return { avatar: h.upload('avatar') };
    },
    commands: {
      consume: {
        run: async (ctx, input) => {
          const { keep } = input as { keep?: string };
          const taken = await ctx.uploads.consume('avatar', (entry, file) => {
            noted.seen.push(`${entry.name} ${JSON.stringify(file)}`);
            if (keep === 'throw') throw new Error('no');
            return entry.name === keep ? KEEP : entry.name;
          });
          noted.seen.push(`taken ${taken.join()}`);
        },
      },
      list: {
        run: (ctx) => {
          const names = ctx.uploads.entries('avatar').map(({ name }) => name);
          noted.seen.push(names.join());
        },
      },
    },
    ...more,
  };
}

/** A file as a client asks for it. */
export const file = (ref: string, name = `${ref}.png`, size = 10): object => ({
  client_ref: ref,
  name,
  size,
  type: 'image/png',
});

/** Sends a request of uploads; the promise is its reply. */
export async function ask(
  rig: Rig,
  type: string,
  more: object,
  subscriber = 1,
): Promise<{ status: string; response: { [key: string]: unknown } }> {
  const reply = new Promise<unknown>((resolve) => {
    const ticket = rig.ticket(resolve);
    rig.step({ type, ticket, subscriber, store_id: [], name: 'avatar', ...more } as never);
  });
  await rig.settle();
  return (await reply) as { status: string; response: { [key: string]: unknown } };
}

/** The upload ops that a client has heard. */
export const opsOf = (client: ViewClient): readonly UploadOp[] =>
  client.heard.flatMap(({ tail }) => tail.content.upload_ops);
export const kinds = (client: ViewClient): string[] => opsOf(client).map(({ op }) => op);

/** The view, begun anew, with a client. */
export async function opened(
  definition: Partial<UploadDefinition> = {},
  options: RigOptions = {},
): Promise<{ rig: Rig; client: ViewClient }> {
  noted.renders = 0;
  noted.seen.length = 0;
  const rig = new Rig(withUpload(definition), options);
  return { rig, client: await rig.open() };
}

/** The files that may be sent, in order. */
export const refs = (rig: Rig): string[] => rig.of('opened').map(({ target }) => target.ref);
