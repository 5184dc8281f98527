import type { DeadLetter, Link, Migrate, Store } from '@holdfast/client';
import { isBadFrame, isObject, jsonCodec, readFrame, type Request } from '@holdfast/protocol';
import type { Device, DeviceOptions } from '../src/device.ts';
import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import {
  canMigrate,
  guardOf,
  kindOf,
  make,
  migrateTo,
  storeName,
  type Version,
  versionIn,
  versions,
} from './application.ts';
import { Ledger } from './ledger.ts';
import type { UpgradeMutant } from './mutants.ts';

/** What somebody is and is told. */
export type PersonTerms = {
  readonly onIncarnation: 'resync' | 'close';
  readonly complain: (word: string, text: string) => void;
  readonly spoils: (mutant: UpgradeMutant) => boolean;
  /** How often the store was made anew. */
  readonly anew: () => number;
};

/** Nobody decides at once whether to go on with a store that was made anew. */
const decideMs = 3000;
const pendingMax = 20;

/** Who uses an application that is upgraded, and rolled back, while what was written waits. */
export class Person {
  readonly device: Device;
  readonly ledger = new Ledger();
  readonly #world: World;
  readonly #terms: PersonTerms;
  #version: Version = 1;
  #writes = 0;
  /** The state of the store that was last shown, and whether another may be. */
  #incarnation: string | null = null;
  #isAsked = false;
  /** Whether the store is left until it is asked for, and how often it had been made anew when it was. */
  #isLeft = false;
  #decided: number | null = null;

  constructor(world: World, name: string, terms: PersonTerms) {
    this.#world = world;
    this.#terms = terms;
    this.device = world.device(name, {
      keepsIn: 'sqlite',
      onIncarnation: terms.spoils('nobody is asked') ? 'resync' : terms.onIncarnation,
      ...this.#application,
      wrap: (link) => this.#overhear(link),
      onCrash: ({ keepsCache }) => this.#crashed(keepsCache),
      onRestart: () => this.#started(),
    });
    this.#started();
  }

  get store(): Store {
    return this.device.store(storeName);
  }

  get letters(): readonly DeadLetter[] {
    return this.store.outbox.deadLetters();
  }

  act(does: string, dice: Dice): void {
    if (this.device.isAsleep) return;
    if (does === 'write') this.#write(dice);
    else if (does === 'upgrade') this.#upgrade(dice);
    else if (does === 'retry') this.#retry(dice);
    else if (does === 'discard') this.#discard(dice);
    else if (does === 'close') this.#close();
  }

  /** What is left of what was not decided is what the version that runs now would ask for. */
  look(): void {
    const { name } = this.device;
    const unsent = this.store.outbox.list().filter(({ firstSentAt }) => firstSentAt === null);
    // What was asked for again as it was stays so.
    const fresh = unsent.filter(({ opId }) => this.ledger.of(opId)?.isRetried === false);
    const dead = this.letters.filter(({ refusal }) => refusal.code !== 'outcome_unknown');
    const isDead = (request: Request): boolean => this.#isOld(request) && canMigrate(request);
    const wrong = [
      ...fresh.filter(({ request }) => this.#isOld(request)),
      ...dead.filter(({ request }) => request !== null && isDead(request)),
    ];
    for (const { opId, request } of wrong) {
      const text = JSON.stringify(request);
      this.#complain('migrated', `${name}, version ${this.#version}: ${opId} is ${text}`);
    }
  }

  get #application(): Pick<DeviceOptions, 'schemaVersion' | 'migrate'> {
    const { spoils } = this.#terms;
    const migrate: Migrate = (request, from) => {
      if (spoils('what waits is left as it was')) return request;
      return migrateTo(this.#version)(request, from);
    };
    return { schemaVersion: this.#version, migrate };
  }

  /** Whether a former version has made it; what a later one has made is a letter. */
  #isOld(request: Request): boolean {
    const of = versionIn(request);
    return of > 0 && of < this.#version;
  }

  #complain(word: string, text: string): void {
    this.#terms.complain(word, text);
  }

  #write(dice: Dice): void {
    if (this.store.status.get().pending >= pendingMax) return;
    this.#writes += 1;
    const text = `${this.device.name} ${this.#writes}`;
    const [kind, id] = [kindOf(dice), dice.below(4)];
    const { store } = this;
    const { incarnation } = store.status.get();
    const isGuarded = kind === 'guarded' && guardOf(store, this.#version, id).revision !== null;
    const receipt = make(store, kind, { version: this.#version, id, text });
    this.ledger.made(receipt, { incarnation, isGuarded, isAwaited: dice.chance(0.3) });
  }

  /** Another version starts where one was, or the same again. */
  #upgrade(dice: Dice): void {
    this.#version = dice.pick(versions);
    this.#world.crash(this.device.name, { options: this.#application });
  }

  /** The application is closed in good order, and started again. */
  #close(): void {
    const { client, lives } = this.device;
    void client.close().then(() => {
      if (this.device.lives === lives) this.#world.crash(this.device.name);
    });
  }

  #retry(dice: Dice): void {
    if (this.letters.length === 0) return;
    const letter = dice.pick(this.letters);
    const { opId, request } = letter;
    const isEdited = request?.op === 'set' && dice.chance(0.3);
    const edited = isEdited ? { ...request, value: 'edited' } : undefined;
    const receipt = this.store.outbox.retry(opId, edited);
    if (receipt !== null) this.ledger.retried(receipt);
  }

  #discard(dice: Dice): void {
    if (this.letters.length === 0) return;
    const { opId } = dice.pick(this.letters);
    const made = this.ledger.of(opId);
    if (this.store.outbox.discard(opId) && made !== undefined) made.isOver = true;
  }

  #crashed(keepsCache: boolean): void {
    this.ledger.crashed();
    if (keepsCache) return;
    this.ledger.forget();
    this.#incarnation = null;
  }

  #started(): void {
    const { store } = this;
    this.#isAsked = false;
    this.#isLeft = false;
    this.#decided = null;
    store.status.subscribe(() => this.#heard(store));
    store.ready.then(
      () => (this.store === store ? this.look() : undefined),
      () => undefined,
    );
  }

  /** Nobody who wants to be asked is shown another state of the store before. */
  #heard(store: Store): void {
    if (this.store !== store) return;
    const { incarnation, error, connection } = store.status.get();
    const isOther = incarnation !== null && incarnation !== this.#incarnation;
    if (isOther) {
      // What the cache has may be older than what was shown before a crash.
      const isKept = connection !== 'connected';
      const isFree = this.#incarnation === null || this.#isAsked || isKept;
      if (this.#terms.onIncarnation === 'close' && !isFree) {
        const change = `${this.#incarnation} became ${incarnation}`;
        this.#complain('asked', `${this.device.name} was not asked before ${change}`);
      }
      this.#incarnation = incarnation;
      this.#isAsked = false;
    }
    const isLeft = error?.code === 'stale_incarnation';
    if (isLeft && !this.#isLeft) this.#decide();
    this.#isLeft = isLeft;
  }

  /** Once for each state of the store. */
  #decide(): void {
    const { device } = this;
    const { spoils } = this.#terms;
    const anew = this.#terms.anew();
    if (this.#decided === anew || spoils('who has decided is asked once more')) {
      this.#complain('decided', `${device.name} was asked once more`);
    }
    this.#isAsked = true;
    const { client } = device;
    this.#world.later(this.#world.dice.below(decideMs), () => {
      if (device.client !== client) return;
      this.#decided = anew;
      client.store(storeName).close();
    });
  }

  /** What a server is asked for under one name is the same each time. */
  #overhear(link: Link): Link {
    return {
      open: (url, events) => {
        const connection = link.open(url, events);
        return {
          send: (data) => {
            this.#said(jsonCodec.decode(data));
            connection.send(data);
          },
          close: (code) => connection.close(code),
        };
      },
    };
  }

  #said(data: unknown): void {
    const frame = readFrame(data);
    if (isBadFrame(frame) || !isObject(frame.payload)) return;
    const { client_op_id: opId, unblock: _, ...asked } = frame.payload;
    const made = typeof opId === 'string' ? this.ledger.of(opId) : undefined;
    if (made === undefined) return;
    const isSpoiled = this.#terms.spoils('a server is asked for something else');
    const text = `${JSON.stringify(asked)}${isSpoiled ? ' or so' : ''}`;
    if (made.said !== null && made.said !== text) {
      this.#complain('same', `${made.opId} was ${made.said}, and is ${text}`);
    }
    made.said = text;
  }
}
