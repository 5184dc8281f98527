import { isObject, type Json } from '@holdfast/protocol';
import type { Device } from '../src/device.ts';
import { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import type { OperatorMutant } from './mutants.ts';
import { firstWrong, type Leaves, Shelf } from './shelf.ts';

/** What an operator does to one of their stores. */
export type OperatorDeed = 'create' | 'import' | 'count' | 'back' | 'clone' | 'archive' | 'purge';

type Answer = { readonly status: number; readonly text: string };
type Request = {
  readonly method: 'POST' | 'DELETE' | 'GET';
  readonly path: string;
  readonly body?: string;
};

const org = 'acme';
const stores = '/stores';
const slots = 3;
const patienceMs = 8000;
/** More than a commit of an import takes, and more than a part of a clone. */
const manyLines = 1100;
const someLines = 40;
const actsMax = 500;
/** What says nothing of the request, or that somebody else is at it: it is sent again. */
const again: ReadonlySet<number> = new Set([401, 429, 500, 502, 503, 504]);

/**
 * Who makes, fills, clones, takes back and purges stores over HTTP, one thing after the other, each under a key and until it
 * is answered; and who knows by that what is to be in them.
 */
export class Operator {
  readonly name: string;
  readonly #device: Device;
  readonly #world: World;
  readonly #spoils: (mutant: OperatorMutant) => boolean;
  readonly #shelves = new Map<string, Shelf>();
  readonly #archived = new Set<string>();
  #doing: Promise<void> = Promise.resolve();
  #keys = 0;
  /** How often each act was done to a store, as far as it was answered. */
  readonly #acts = new Map<string, number>();
  /** How much was done, and how much was sent again. */
  done = 0;
  repeated = 0;

  constructor(world: World, name: string, spoils: (mutant: OperatorMutant) => boolean) {
    this.name = name;
    this.#world = world;
    this.#spoils = spoils;
    this.#device = world.device(name, { uses: [] });
  }

  /** Does it, when all is done that was begun before. */
  act(deed: OperatorDeed, roll: number): void {
    this.#doing = this.#doing.then(() => this.#do(deed, new Dice(roll)));
  }

  /** All is done, and looked at once more. */
  async rest(): Promise<void> {
    await this.#doing;
    for (const store of this.#shelves.keys()) await this.#look(store);
    const listed = await this.#list();
    const wanted = [...this.#shelves.keys()].toSorted();
    if (this.#spoils('a store that is there is not listed')) wanted.push(`${this.name}-9`);
    if (listed.join() !== wanted.join()) {
      this.#world.problem(`listed: ${this.name} has ${listed.join()} instead of ${wanted.join()}`);
    }
    await this.#audit();
  }

  async #do(deed: OperatorDeed, dice: Dice): Promise<void> {
    const store = this.#nameOf(dice.below(slots));
    const shelf = this.#shelves.get(store);
    if (shelf === undefined) await this.#create(store);
    else if (deed === 'create' && this.#spoils('a name is asked for twice')) {
      await this.#create(store);
    } else if (deed === 'purge') await this.#purge(store);
    else if (deed === 'clone') await this.#clone(store, shelf);
    else if (this.#archived.has(store)) return;
    else if (deed === 'archive') await this.#archive(store);
    else await this.#write(deed, { store, shelf, dice });
    this.done += 1;
    if (dice.chance(0.3) && this.#shelves.has(store)) await this.#look(store);
  }

  #write(
    deed: OperatorDeed,
    { store, shelf, dice }: { readonly store: string; readonly shelf: Shelf; readonly dice: Dice },
  ): Promise<void> {
    if (deed === 'import') return this.#import(store, shelf, dice);
    // A store that was never written to has no way back.
    const isBack = deed === 'back' && shelf.past.length > 1;
    return isBack ? this.#back(store, shelf, dice) : this.#count(store, shelf, dice);
  }

  async #create(store: string): Promise<void> {
    const body = JSON.stringify({ name: `${org}/${store}` });
    const made = await this.#perform({ method: 'POST', path: stores, body }, async () =>
      this.#isThere(store),
    );
    this.#acted(made, 201, `store.created ${org}/${store}`);
    this.#shelves.set(store, new Shelf(0, new Map()));
  }

  async #import(store: string, shelf: Shelf, dice: Dice): Promise<void> {
    const from = dice.below(50);
    const count = dice.chance(0.2) ? manyLines : 1 + dice.below(someLines);
    const value = dice.below(1000);
    const paths = Array.from({ length: count }, (_, at) => `k/${from + at}`);
    const body = paths.map((path) => JSON.stringify({ path, value })).join('\n');
    const path = `${stores}/${org}/${store}/import?headerless=slash`;
    const told = this.#told(await this.#certain({ method: 'POST', path, body }), 200);
    const lines = Number(told['imported']) + Number(told['skipped']);
    if (told['ok'] !== true || lines !== count) {
      this.#world.problem(`told: ${this.name} imported ${lines} of ${count} into ${store}`);
    }
    const leaves = new Map(shelf.leaves);
    for (const each of paths) leaves.set(each, value);
    shelf.turned(Number(told['store_seq']), leaves);
  }

  async #count(store: string, shelf: Shelf, dice: Dice): Promise<void> {
    const path = `n/${dice.below(3)}`;
    const body = JSON.stringify({ ops: [{ op: 'increment', path, value: 1 }] });
    const request = { method: 'POST', path: `${stores}/${org}/${store}/transact`, body } as const;
    const told = this.#told(await this.#certain(request), 200);
    const counted = Number(shelf.leaves.get(path) ?? 0) + 1;
    shelf.turned(Number(told['store_seq']), new Map([...shelf.leaves, [path, counted]]));
  }

  async #back(store: string, shelf: Shelf, dice: Dice): Promise<void> {
    const { seq, leaves } = dice.pick(shelf.past);
    const body = JSON.stringify({ to_seq: seq });
    const request = { method: 'POST', path: `${stores}/${org}/${store}/rollback`, body } as const;
    const told = this.#told(await this.#certain(request), 200);
    const at = told['store_seq'];
    shelf.turned(typeof at === 'number' ? at : shelf.seq, leaves);
  }

  async #clone(source: string, { seq, leaves }: Shelf): Promise<void> {
    const names = Array.from({ length: slots }, (_, slot) => this.#nameOf(slot));
    const store = names.find((name) => !this.#shelves.has(name));
    if (store === undefined) return;
    const isAnew = this.#spoils('a clone is begun anew, and left empty');
    const path = isAnew ? stores : `${stores}/${org}/${source}/clone`;
    const body = JSON.stringify({ name: `${org}/${store}` });
    const made = await this.#perform({ method: 'POST', path, body }, () => this.#isThere(store));
    if (!isAnew) this.#acted(made, 201, `store.cloned ${org}/${store}`);
    this.#shelves.set(store, new Shelf(seq, leaves));
    await this.#look(store);
  }

  async #archive(store: string): Promise<void> {
    const request = { method: 'DELETE', path: `${stores}/${org}/${store}` } as const;
    const made = await this.#perform(request, async () => {
      const { text } = await this.#ask({ method: 'GET', path: `${stores}/${org}/${store}` }, null);
      return read(text)['status'] === 'archived';
    });
    this.#acted(made, 200, `store.archived ${org}/${store}`);
    this.#archived.add(store);
  }

  async #purge(store: string): Promise<void> {
    const request = { method: 'DELETE', path: `${stores}/${org}/${store}?purge=true` } as const;
    const made = await this.#perform(request, async () => !(await this.#isThere(store)));
    this.#acted(made, 200, `store.purged ${org}/${store}`);
    this.#shelves.delete(store);
    this.#archived.delete(store);
  }

  #nameOf(slot: number): string {
    return `${this.name}-${slot}`;
  }

  async #isThere(store: string): Promise<boolean> {
    const { status } = await this.#ask({ method: 'GET', path: `${stores}/${org}/${store}` }, null);
    return status === 200;
  }

  async #list(): Promise<readonly string[]> {
    const listed = read((await this.#ask({ method: 'GET', path: stores }, null)).text)['stores'];
    const names = Array.isArray(listed) ? listed.map((each) => read(each)['name']) : [];
    return names.map(String).filter((name) => name.startsWith(`${this.name}-`));
  }

  /** What is in a store is what its operator has brought there. */
  async #look(store: string): Promise<void> {
    const wanted = this.#shelves.get(store)?.leaves ?? new Map();
    const path = `${stores}/${org}/${store}/export`;
    const { status, text } = await this.#ask({ method: 'GET', path }, null);
    const found = status === 200 ? leavesIn(text) : new Map();
    const wrong = firstWrong(found, wanted);
    if (wrong !== null) this.#world.problem(`exact: ${store}, asked for (${status}): ${wrong}`);
  }

  /** What has a key that is part of its commit, and so is answered for certain. */
  async #certain(request: Request): Promise<Answer> {
    return this.#ask(request, this.#key());
  }

  /** Where nobody knows whether it was done, a look tells; then it is asked for under another key. Null: it was done. */
  async #perform(request: Request, isDone: () => Promise<boolean>): Promise<Answer | null> {
    for (;;) {
      const answer = await this.#ask(request, this.#key());
      if (read(answer.text)['error'] !== 'idempotency_outcome_unknown') return answer;
      if (await isDone()) return null;
    }
  }

  #key(): string {
    this.#keys += 1;
    return `${this.name}-${this.#keys}`;
  }

  /** Asks until it is answered. */
  async #ask(request: Request, key: string | null): Promise<Answer> {
    let used = key;
    for (let tries = 0; ; tries++) {
      const answer = await this.#once(request, used);
      const isOnItsWay =
        answer?.status === 409 && read(answer.text)['error'] === 'idempotency_in_progress';
      if (answer !== null && !again.has(answer.status) && !isOnItsWay) return answer;
      if (key !== null) this.repeated += 1;
      const isCount = request.path.endsWith('/transact');
      if (isCount && this.#spoils('a count that is sent again has another key')) used = this.#key();
      await this.#world.sleep(300);
    }
  }

  async #once({ method, path, body }: Request, key: string | null): Promise<Answer | null> {
    const abort = new AbortController();
    let isOver = false;
    this.#world.later(patienceMs, () => {
      if (!isOver) abort.abort();
    });
    try {
      const response = await this.#device.fetch(`http://simulated.example/api${path}`, {
        method,
        ...(body !== undefined && { body }),
        headers: {
          authorization: `Bearer ${this.#device.token}`,
          'content-type': 'application/json',
          ...(key !== null && { 'idempotency-key': key }),
        },
        signal: abort.signal,
      });
      return { status: response.status, text: await response.text() };
    } catch {
      return null;
    } finally {
      isOver = true;
    }
  }

  /** Null: it was done, and nobody was told. */
  #acted(made: Answer | null, wanted: number, act: string): void {
    if (made === null) return;
    this.#told(made, wanted);
    this.#acts.set(act, (this.#acts.get(act) ?? 0) + 1);
  }

  /** What was answered to be done is in the log of acts. */
  async #audit(): Promise<void> {
    const path = `/audit?org=${org}&limit=${actsMax}`;
    const { acts } = read((await this.#ask({ method: 'GET', path }, null)).text);
    const noted = (Array.isArray(acts) ? acts : []).map(read).map(actOf);
    if (this.#spoils('an act is not noted')) noted.splice(0, Infinity);
    for (const [act, count] of this.#acts) {
      const found = noted.filter((each) => each === act).length;
      if (found < count) this.#world.problem(`noted: ${act} ${found} times instead of ${count}`);
    }
  }

  #told({ status, text }: Answer, wanted: number): { readonly [field: string]: unknown } {
    if (status !== wanted) {
      this.#world.problem(`told: ${this.name} is answered ${status} ${text.slice(0, 200)}`);
    }
    return read(text);
  }
}

function read(json: unknown): { readonly [field: string]: unknown } {
  const value: unknown = typeof json === 'string' && json.startsWith('{') ? JSON.parse(json) : json;
  return isObject(value) ? value : {};
}

function actOf({ act, store }: { readonly [field: string]: unknown }): string {
  return `${String(act)} ${String(isObject(store) ? store['name'] : store)}`;
}

function leavesIn(lines: string): Leaves {
  const leaves = new Map<string, Json>();
  for (const line of lines.split('\n')) {
    const { path, value } = read(line);
    if (typeof path === 'string' && typeof value === 'number') leaves.set(path, value);
  }
  return leaves;
}
