import { applyPatch } from '@holdfast/engine/data';
import type { Json } from '@holdfast/protocol';
import type {
  Envelope,
  StreamOp,
  UploadConfig,
  UploadOp,
  ViewEvent,
} from '@holdfast/protocol/views';
import type { Channel, Push, Socket } from 'phoenix';
import { answerTo, type Response } from './client.ts';

type Entry = { progress: number; status: string; readonly errors: unknown[] };

/** The entries of one upload, as a client of Musubi keeps them. */
export type Upload = { config: UploadConfig | null; readonly entries: Map<string, Entry> };

/** What a granted file is sent by. */
export type Grant = {
  readonly type: 'channel' | 'external';
  readonly entry_ref: string;
  readonly token?: string;
  readonly uploader?: string;
  readonly meta?: { readonly [name: string]: unknown };
};

/**
 * One root as a client of Musubi 0.12+ has it, on a socket of the official Phoenix package: what it sends, in which order,
 * and what it takes. A channel per root, whose join is the mount; after a lost socket the package joins it again with the
 * same payload, which is another mount; a version that does not fit has the channel left and another one joined. Nothing
 * of capver 4 is known to it, and a frame that it would stumble over is an error here.
 */
export class MusubiRoot {
  readonly rootId: string;
  readonly events: ViewEvent[] = [];
  readonly streams = new Map<string, { key: string; item: Json }[]>();
  readonly uploads = new Map<string, Upload>();
  /** Base and version of what was taken, mount by mount. */
  readonly mounts: (readonly [number, number])[][] = [];
  readonly troubles: string[] = [];
  tree: Json = null;
  version = 0;
  #channel: Channel;
  readonly #socket: Socket;
  readonly #join: object;
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, module: string, { id, params }: { id: string; params: object }) {
    this.#socket = socket;
    this.rootId = `${module}:${id}`;
    this.#join = { module, id, params };
    this.#channel = this.#open();
  }

  get state(): string {
    return this.#channel.state;
  }

  /** Resolves once something that was taken makes it true. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when it is mounted for the n-th time. */
  mounted(times: number): Promise<void> {
    return this.until(() => this.mounts.length === times && this.version > 0);
  }

  ask(event: string, payload: object): Promise<readonly [string, Response]> {
    return answerTo(this.#channel.push(event, payload));
  }

  command(
    name: string,
    payload: object = {},
    storeId: readonly string[] = [],
  ): ReturnType<MusubiRoot['ask']> {
    return this.ask('command', { store_id: storeId, name, payload });
  }

  leave(): Promise<readonly [string, Response]> {
    return answerTo(this.#channel.leave());
  }

  items(stream: string, storeId: readonly string[] = []): Json[] {
    return (this.streams.get(`${storeId.join('/')} ${stream}`) ?? []).map(({ item }) => item);
  }

  upload(name: string, storeId: readonly string[] = []): Upload {
    const key = `${storeId.join('/')} ${name}`;
    const upload = this.uploads.get(key) ?? { config: null, entries: new Map() };
    this.uploads.set(key, upload);
    return upload;
  }

  /** Asks for files to be let in; the grants, in their order. */
  async select(
    name: string,
    files: readonly File[],
  ): Promise<{ grants: Grant[]; errors: unknown }> {
    const entries = files.map((file, at) => ({
      client_ref: String(at),
      name: file.name,
      size: file.size,
      type: file.type,
    }));
    const [status, reply] = await this.ask('allow_upload', { store_id: [], name, entries });
    if (status !== 'ok') throw new Error(JSON.stringify(reply));
    return { grants: Object.values(reply['entries'] as object), errors: reply['errors'] };
  }

  /** Sends a file over a channel of its own, one chunk after the other; an empty one has none. The replies. */
  async transfer(file: File, grant: Grant, chunkSize: number): Promise<unknown[]> {
    const channel = this.#socket.channel(`musubi_upload:${grant.entry_ref}`, {
      token: grant.token,
    });
    const replies: unknown[] = [await answerTo(channel.join())];
    for (let at = 0; at < file.size; at += chunkSize) {
      const bytes = await file.slice(at, at + chunkSize).arrayBuffer();
      replies.push(await answerTo(channel.push('chunk', bytes)));
    }
    return replies;
  }

  /** Opens the channel and joins it: the payload is made once, for all its lives. */
  #open(): Channel {
    const channel = this.#socket.channel(`musubi:connection:${this.rootId}`, this.#join);
    const isOver = (): boolean => channel !== this.#channel;
    channel.on('patch', (payload) => {
      if (!isOver()) this.#take(payload as Envelope);
    });
    for (const on of [channel.onClose, channel.onError]) {
      on.call(channel, () => {
        if (!isOver()) this.version = 0;
      });
    }
    hear(channel.join(), (status, reply) => {
      if (isOver()) return;
      const isMine = Object.keys(reply).join() === 'root_id' && reply['root_id'] === this.rootId;
      if (status !== 'ok' || !isMine) this.troubles.push(JSON.stringify(reply));
      this.version = 0;
      this.mounts.push([]);
      this.#wake();
    });
    return channel;
  }

  #take(envelope: Envelope): void {
    const { base_version: base, version, root_id: rootId } = envelope;
    if (rootId !== this.rootId) throw new Error(`an envelope of ${rootId}`);
    if (this.version === 0 && (base !== 0 || version !== 1)) {
      this.troubles.push(`begins with ${base} → ${version}`);
      return;
    }
    if (base !== this.version || version !== this.version + 1) {
      this.troubles.push(`${this.version}: ${base} → ${version}`);
      this.recover();
      return;
    }
    if (this.version === 0) this.streams.clear();
    this.version = version;
    this.mounts.at(-1)?.push([base, version]);
    this.tree = applyPatch(this.tree, envelope.ops) ?? null;
    for (const op of envelope.stream_ops) this.#stream(op);
    for (const op of envelope.upload_ops) this.#uploadOp(op);
    this.events.push(...envelope.events);
    this.#wake();
  }

  /** What it has does not fit: the channel is left, and another one joined at once. */
  recover(): void {
    const old = this.#channel;
    this.version = 0;
    this.#channel = this.#open();
    old.leave();
  }

  #stream(op: StreamOp): void {
    const key = `${op.store_id.join('/')} ${op.stream}`;
    const known = op.op === 'reset' ? [] : (this.streams.get(key) ?? []);
    const list = known.filter((held) => op.op === 'reset' || held.key !== op.item_key);
    this.streams.set(key, list);
    if (op.op !== 'insert') return;
    const at = op.at === -1 ? list.length : Math.min(Math.max(op.at, 0), list.length);
    list.splice(at, 0, { key: op.item_key, item: op.item });
    const over = op.limit === null ? 0 : Math.max(0, list.length - Math.abs(op.limit));
    list.splice(op.at === 0 ? list.length - over : 0, over);
  }

  #uploadOp(op: UploadOp): void {
    const upload = this.upload(op.upload, op.store_id);
    const entry = 'ref' in op && op.ref !== undefined ? upload.entries.get(op.ref) : undefined;
    if (op.op === 'config') upload.config = op.config;
    if (op.op === 'add') upload.entries.set(op.ref, { progress: 0, status: 'pending', errors: [] });
    if (op.op === 'cancel') upload.entries.delete(op.ref);
    if (op.op === 'reset') upload.entries.clear();
    if (entry === undefined) return;
    if (op.op === 'progress') Object.assign(entry, { progress: op.progress, status: 'uploading' });
    if (op.op === 'complete') Object.assign(entry, { progress: 100, status: 'success' });
    if (op.op === 'error') {
      Object.assign(entry, { status: 'error', errors: [...entry.errors, op.error] });
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Hears every answer to a push: that to a join comes again with each join. */
function hear(push: Push, take: (status: string, reply: Response) => void): void {
  for (const status of ['ok', 'error', 'timeout']) {
    push.receive(status, (reply) => take(status, reply as Response));
  }
}
