import type { Store } from '@holdfast/client';
import { isObject } from '@holdfast/protocol';
import type { BlobHash } from '@holdfast/server/blobs';
import { forgetAnswers } from '../amnesia.ts';
import type { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';
import { hashIn, hashOf } from './hash.ts';

type Step = {
  readonly at: number;
  readonly does: 'put' | 'get' | 'peek' | 'delete' | 'look' | 'age';
  readonly who: string;
  readonly roll: number;
};

/** An upload, and what its caller was told of it. */
type Upload = { readonly hash: BlobHash; readonly path: string; seq: number | null };

const storeName = 'acme/app';
const names = ['ann', 'bob', 'cleo'] as const;
const lengthMs = 30_000;
/** More than contents without a name are kept. */
const ageMs = 30 * 3_600_000;
const sizeMax = 600_000;

/** What is forgotten when a server dies, which must be seen: the contents of files, or what was answered. */
type Forgotten = 'contents' | 'answers';

/** Clients that put, get and delete files, large ones in pieces, on a network and a server that break amid all of it. */
export class FileWorlds {
  readonly #forgets: Forgotten | null;
  figures = { stored: 0, read: 0, peeks: 0 };
  #uploads: Upload[] = [];

  constructor({ forgets = null }: { readonly forgets?: Forgotten | null } = {}) {
    this.#forgets = forgets;
  }

  readonly simulation: Simulation<Step> = {
    faults: { ...badWeather, crash: 2, forget: 1, closeServer: 4, compactAmid: 4 },
    lengthMs,
    stores: [storeName],
    script: { steps: stepsOf, perform: (world, step) => this.#perform(world, step) },
    program: async (world) => {
      this.#uploads = [];
      if (this.#forgets === 'answers') forgetAnswers(world.storage);
      for (const name of names) world.device(name).store(storeName);
      await world.sleep(lengthMs);
      world.calm();
      // Who waits for a while before the next attempt makes it now.
      await world.sleep(60_000);
    },
    check: (world) => this.#check(world),
  };

  #perform(world: World, step: Step): void {
    void this.#do(world, step).catch((error: unknown) => world.problem(String(error)));
  }

  async #do(world: World, { does, who, roll }: Step): Promise<void> {
    const store = world.device(who).store(storeName);
    const path = `f/${roll % 4}`;
    if (does === 'put') await this.#put(world, { store, path, roll });
    else if (does === 'get') await this.#get(world, store, path);
    else if (does === 'peek') await this.#peek(world, who, roll);
    else if (does === 'delete') store.delete(path);
    else if (does === 'look') await this.#look(world);
    else world.site.jump(ageMs);
    if (this.#forgets === 'contents' && does === 'look') {
      for await (const { name } of world.blobs.list()) await world.blobs.delete(name);
    }
  }

  async #put(
    world: World,
    { store, path, roll }: { readonly store: Store; readonly path: string; readonly roll: number },
  ): Promise<void> {
    const content = contentOf(roll);
    const upload: Upload = { hash: hashOf(content), path, seq: null };
    this.#uploads.push(upload);
    try {
      const stored = await store.putFile(path, content);
      if (stored.hash !== upload.hash) world.problem(`together: ${path} is not what was put`);
      upload.seq = stored.seq;
      this.figures.stored += 1;
    } catch (error) {
      // It could not be had within its time.
      world.note('put', String(error));
    }
  }

  /** Whatever is shown can be read, and is what it says. */
  async #get(world: World, store: Store, path: string): Promise<void> {
    try {
      const file = await store.getFile(path);
      if (file === undefined) return;
      const content = new Uint8Array(await (await file.blob()).arrayBuffer());
      if (hashOf(content) !== file.hash) world.problem(`together: ${path} is not ${file.hash}`);
      this.figures.read += 1;
    } catch (error) {
      // The line is broken, or what was being read was replaced.
      world.note('get', String(error));
    }
  }

  /** Nobody downloads what no entry names. */
  async #peek(world: World, who: string, roll: number): Promise<void> {
    const upload = this.#uploads[roll % Math.max(1, this.#uploads.length)];
    if (upload === undefined) return;
    try {
      const status = await world.device(who).ask(`/api/files/${upload.hash}`);
      const isNamed = (await this.#truth(world)).ops.some(
        ({ value }) => hashIn(value) === upload.hash,
      );
      if (status === 200 && !isNamed) world.problem(`together: ${upload.hash} is named by nothing`);
      this.figures.peeks += 1;
    } catch (error) {
      world.note('peek', String(error));
    }
  }

  /** What an entry names is there, whole. */
  async #look(world: World): Promise<void> {
    const truth = await this.#truth(world);
    for (const { path, value } of truth.stateAt(truth.head).entries()) {
      const hash = hashIn(value);
      const size = hash === null ? null : await world.blobs.stat(hash);
      if (hash === null || (isObject(value) && value['size'] === size)) continue;
      world.problem(`together: ${path} names ${hash}, of which ${size} bytes are there`);
    }
  }

  async #check(world: World): Promise<void> {
    await this.#look(world);
    const truth = await this.#truth(world);
    for (const { hash, path, seq } of this.#uploads) {
      const commits = truth.ops.filter(({ value }) => hashIn(value) === hash);
      if (commits.length > 1) world.problem(`once: ${hash} was written ${commits.length} times`);
      if (seq === null || (commits[0]?.seq === seq && commits[0].path === path)) continue;
      world.problem(`once: ${path} was said to be stored at ${seq}`);
    }
    for (const { path, value } of truth.stateAt(truth.head).entries()) {
      for (const name of names) {
        const file = await world.device(name).store(storeName).getFile(path);
        const content = await file?.blob();
        const found = content && hashOf(new Uint8Array(await content.arrayBuffer()));
        if (found !== hashIn(value)) world.problem(`together: ${name} reads ${found} at ${path}`);
      }
    }
  }

  async #truth(world: World): Promise<Truth> {
    return new Truth((await world.log(storeName)).map(({ op }) => op));
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runFiles(
  seeds: Seeds & { readonly forgets?: Forgotten },
): Promise<{ readonly failure: Failure | null; readonly figures: FileWorlds['figures'] }> {
  const worlds = new FileWorlds(seeds);
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, figures: worlds.figures };
}

/** Content that no other roll gives; most of it small. */
function contentOf(roll: number): Uint8Array {
  const size = roll % 3 === 0 ? roll % sizeMax : roll % 3000;
  const content = Buffer.alloc(size, `file ${roll} `);
  return Buffer.concat([Buffer.from(`${roll}:`), content]);
}

const deeds: readonly Step['does'][] = [
  ...(['get', 'get', 'get', 'get', 'peek', 'peek', 'peek', 'delete', 'delete'] as const),
  ...(['look', 'look', 'age'] as const),
];

function stepsOf(dice: Dice): readonly Step[] {
  return Array.from({ length: 50 }, () => {
    const [at, kind, roll] = [dice.below(lengthMs), dice.below(20), dice.below(2 ** 30)];
    const does = deeds[kind] ?? 'put';
    return { at, does, who: dice.pick(names), roll } as const;
  }).toSorted((a, b) => a.at - b.at);
}
