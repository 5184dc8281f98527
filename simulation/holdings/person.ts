import type { Store } from '@holdfast/client';
import type { BlobHash } from '@holdfast/server/blobs';
import { hashIn, hashOf } from '../files/hash.ts';
import type { Device } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { contentOf } from '../uploads/content.ts';
import type { HoldingMutant } from './mutants.ts';
import type { Download } from './past.ts';

/** Who somebody is. */
export type Persona = { readonly name: string; readonly org: string };

/** What somebody does. */
export type Deed = 'put' | 'get' | 'peek' | 'name' | 'delete' | 'back';

/** An upload, and what its caller was told of it. */
type Upload = {
  readonly hash: BlobHash;
  readonly path: string;
  readonly from: number;
  seq: number | null;
};

/** Contents: of one org, of the other, of both; some of them large. */
const contents = [['acme'], ['beta'], ['acme', 'beta']].flatMap((orgs) =>
  [1, 500, 2000, 3000, 90_000].map((size) => {
    const bytes = contentOf(`${orgs.join('-')}-${size}.bin`);
    return { bytes, orgs: new Set(orgs), hash: hashOf(bytes) };
  }),
);
const places = ['open/1', 'open/2', 'closed/1', 'closed/2', 'own/1'];

/** The store of an org. */
export function storeOf(org: string): string {
  return `${org}/app`;
}

/** Somebody who puts files, reads them, and asks for what is not for them. */
export class Person {
  readonly name: string;
  readonly store: string;
  readonly uploads: Upload[] = [];
  readonly downloads: Download[] = [];
  turnedAway = 0;
  named = 0;
  restored = 0;
  readonly #org: string;
  readonly #world: World;
  readonly #device: Device;
  readonly #spoils: (mutant: HoldingMutant) => boolean;

  constructor(world: World, { name, org }: Persona, spoils: (mutant: HoldingMutant) => boolean) {
    this.name = name;
    this.store = storeOf(org);
    this.#org = org;
    this.#world = world;
    this.#device = world.device(name, { uses: [this.store] });
    this.#spoils = spoils;
    this.#handle();
  }

  act(deed: Deed, dice: Dice): void {
    if (this.#device.isAsleep) return;
    this.#do(deed, dice).catch((error: unknown) => {
      // It could not be had within its time, or is not for them.
      this.#world.note(this.name, `${deed}: ${String(error)}`);
    });
  }

  /** Whether it has begun to bring content by then. */
  hasBrought(hash: BlobHash, at: number): boolean {
    return this.uploads.some((each) => each.hash === hash && each.from <= at);
  }

  /** Each file that is shown, with what its bytes are. */
  async readAll(): Promise<readonly string[]> {
    const shown: string[] = [];
    const { items } = this.#handle().entries('**', { limit: 1000 });
    for (const { path } of items) {
      const file = await this.#handle().getFile(path);
      const bytes = file && new Uint8Array(await (await file.blob()).arrayBuffer());
      shown.push(`${path} ${bytes && hashOf(bytes)}`);
    }
    return shown;
  }

  #handle(): Store {
    return this.#device.store(this.store);
  }

  async #do(deed: Deed, dice: Dice): Promise<void> {
    const store = this.#handle();
    const path = dice.pick(places);
    switch (deed) {
      case 'put':
        return this.#put(store, path, dice);
      case 'get':
        return this.#get(store, path);
      case 'peek':
        return this.#peek(dice.pick(contents).hash);
      case 'name':
        return this.#name(store, path, dice);
      case 'delete':
        await store.delete(dice.chance(0.3) ? 'open' : path).committed;
        return undefined;
      case 'back': {
        const to = Math.max(0, store.status.get().seq - dice.below(12));
        await store.rollback({ path, to });
        this.restored += 1;
      }
    }
  }

  async #put(store: Store, path: string, dice: Dice): Promise<void> {
    const { bytes, hash } = dice.pick(contents.filter(({ orgs }) => orgs.has(this.#org)));
    const upload: Upload = { hash, path, from: this.#world.now, seq: null };
    this.uploads.push(upload);
    const stored = await store.putFile(path, bytes);
    const isElsewhere = this.#spoils('an upload is said to be stored elsewhere');
    upload.seq = isElsewhere ? stored.seq + 1 : stored.seq;
    if (stored.hash !== hash) this.#world.problem(`whole: ${path} is not what was put`);
  }

  async #get(store: Store, path: string): Promise<void> {
    const from = this.#world.now;
    const file = await store.getFile(path);
    if (file === undefined) return;
    const hash = hashIn({ _type: 'file', hash: file.hash });
    if (hash !== null) this.downloads.push(this.#download({ hash, path, from }));
    this.#compare(new Uint8Array(await (await file.blob()).arrayBuffer()), file.hash);
  }

  /** Asks for content by its hash, whosever it is. */
  async #peek(hash: BlobHash): Promise<void> {
    const from = this.#world.now;
    const headers = { authorization: `Bearer ${this.#device.token}` };
    const url = `http://simulated.example/api/files/${hash}`;
    const answer = await this.#device.fetch(url, { headers });
    if (answer.status === 200) this.downloads.push(this.#download({ hash, path: null, from }));
    if (answer.status === 403 || answer.status === 404) this.turnedAway += 1;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (answer.status === 200) this.#compare(bytes, hash);
  }

  /** Writes an entry of content that it knows the hash of. */
  async #name(store: Store, path: string, dice: Dice): Promise<void> {
    const { hash, bytes } = dice.pick(contents);
    const envelope = { _type: 'file', hash, size: bytes.byteLength, content_type: 'text/plain' };
    const uploadedAt = new Date(this.#world.site.wall()).toISOString();
    await store.put(path, { ...envelope, filename: null, uploaded_at: uploadedAt }).committed;
    this.named += 1;
  }

  #download(of: Pick<Download, 'hash' | 'path' | 'from'>): Download {
    return { ...of, who: this.name, until: this.#world.now };
  }

  #compare(bytes: Uint8Array, wanted: string): void {
    const isOther = this.#spoils('a reader is given other bytes');
    const found = hashOf(isOther ? bytes.subarray(1) : bytes);
    if (found !== wanted) this.#world.problem(`whole: ${this.name} reads ${found} as ${wanted}`);
  }
}
