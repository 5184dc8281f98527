import type { Mirror } from '@holdfast/engine/mirror';
import type { JsonObject } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { UploadBook } from '@holdfast/engine/mirror/uploads';
import { envelope, node, root, rootId, showing, whole } from './harness.ts';

const uploading = node([], { file: { __musubi_upload__: 'file' } });
const entry = {
  ref: 'u1',
  client_name: 'a.png',
  client_size: 10,
  client_type: 'image/png',
  progress: 0,
  status: 'pending',
  errors: [],
};
const on = (op: object): object => ({ store_id: [], upload: 'file', ...op });
const file = (mirror: Mirror): unknown => (mirror.snapshot(root) as JsonObject)['file'];

/** A mirror that reads about uploads. */
function reading(): Mirror {
  const mirror = showing(uploading);
  mirror.useReader(new UploadBook());
  return mirror;
}

describe('the uploads of a mirror', () => {
  it('V53 an envelope with nothing but uploads changes the snapshot', () => {
    const mirror = reading();
    const before = mirror.snapshot(root);
    const config = { accept: ['.png'], max_entries: 2, max_file_size: 100, chunk_size: 10 };
    mirror.take(
      envelope(1, 2, {
        upload_ops: [
          on({ op: 'config', config }),
          on({ op: 'add', ref: 'u1', entry }),
          on({ op: 'strange' }),
        ],
      }),
    );
    expect(mirror.snapshot(root)).not.toBe(before);
    expect(file(mirror)).toEqual({
      config: { accept: ['.png'], maxEntries: 2, maxFileSize: 100, chunkSize: 10 },
      status: 'selecting',
      entries: [
        {
          ref: 'u1',
          name: 'a.png',
          size: 10,
          type: 'image/png',
          progress: 0,
          status: 'pending',
          errors: [],
        },
      ],
      errors: [],
      progress: 0,
    });
    mirror.take(envelope(2, 3, { upload_ops: [on({ op: 'progress', ref: 'u1', progress: 40 })] }));
    expect(file(mirror)).toMatchObject({
      status: 'uploading',
      progress: 40,
      entries: [{ status: 'uploading' }],
    });
    mirror.take(
      envelope(3, 4, {
        upload_ops: [
          on({ op: 'progress', ref: 'u1', progress: 100 }),
          on({ op: 'complete', ref: 'u1' }),
        ],
      }),
    );
    expect(file(mirror)).toMatchObject({ status: 'success', progress: 100 });
    mirror.take(
      envelope(4, 5, {
        upload_ops: [on({ op: 'error', ref: 'u1', error: { code: 'x', message: 'y' } })],
      }),
    );
    expect(file(mirror)).toMatchObject({
      status: 'error',
      errors: [],
      entries: [{ status: 'error', errors: [{ code: 'x' }] }],
    });
    mirror.take(
      envelope(5, 6, {
        upload_ops: [
          on({ op: 'cancel', ref: 'u1' }),
          on({ op: 'error', error: { code: 'z', message: '' } }),
        ],
      }),
    );
    expect(file(mirror)).toMatchObject({ status: 'error', errors: [{ code: 'z' }], entries: [] });
    mirror.take(envelope(6, 7, { upload_ops: [on({ op: 'reset' })] }));
    expect(file(mirror)).toMatchObject({ status: 'idle', errors: [], entries: [] });
  });

  it('what the client does with an upload is shown at once, and forgotten with the mount', () => {
    const mirror = reading();
    mirror.readUploads([on({ op: 'own', phase: 'selecting' })]);
    expect(file(mirror)).toMatchObject({ status: 'selecting' });
    mirror.readUploads([on({ op: 'own', phase: 'idle', errors: [{ code: 'x', message: 'y' }] })]);
    expect(file(mirror)).toMatchObject({ status: 'error', errors: [{ code: 'x' }] });
    mirror.joined({ rootId, capver: 4, resumed: false });
    mirror.take(whole(uploading));
    expect(file(mirror)).toMatchObject({ status: 'idle', errors: [] });
  });

  it('what was said of them before somebody reads it is read then', () => {
    const mirror = showing(uploading);
    mirror.take(envelope(1, 2, { upload_ops: [on({ op: 'add', ref: 'u1', entry })] }));
    expect([mirror.wantsReader, mirror.upload(root, 'file').entries]).toEqual([true, []]);
    mirror.useReader(new UploadBook());
    expect([mirror.wantsReader, mirror.upload(root, 'file').entries.length]).toEqual([false, 1]);
    expect(file(mirror)).toMatchObject({ status: 'selecting', entries: [{ ref: 'u1' }] });
  });
});
