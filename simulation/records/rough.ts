import { InProcessTransport, type SyncTransport } from '@holdfast/client/records/transport';
import type { Envelope } from '@holdfast/protocol/record';
import type { Dice } from '../src/dice.ts';

/** What happens to a message on its way. */
const fates = ['lost', 'doubled', 'late', 'broken', 'foreign', 'whole'] as const;

const chances = { lost: 0.1, doubled: 0.1, late: 0.3, broken: 0.04, foreign: 0.02 };

/** A bus on which messages are lost, doubled, late, out of turn, broken, and of stores that are not this one. */
export class RoughBus {
  /** What clients read from. */
  readonly transport: InProcessTransport = new InProcessTransport();
  /** What servers publish on. */
  readonly far: SyncTransport;
  /** Messages that no client can take: each may be asked about. */
  faults = 0;
  published = 0;
  isCalm = false;
  readonly #dice: Dice;
  readonly #later: (ms: number, run: () => void) => void;

  constructor(dice: Dice, later: (ms: number, run: () => void) => void) {
    this.#dice = dice;
    this.#later = later;
    const near = this.transport;
    this.far = {
      status: near.status,
      publish: (key, envelope) => this.#carry(key, envelope),
      subscribe: (key, handler) => near.subscribe(key, handler),
      onReconnect: (run) => near.onReconnect(run),
      keyCount: () => near.keyCount(),
      stats: () => near.stats(),
      flush: () => near.flush(),
      close: () => near.close(),
    };
  }

  #carry(key: string, envelope: Envelope): void {
    this.published += 1;
    const dice = this.#dice;
    const deliver = (message: unknown): void => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is broken is no envelope
      this.transport.publish(key, message as Envelope);
    };
    switch (this.#fate()) {
      case 'lost':
        break;
      case 'doubled':
        deliver(envelope);
        this.#later(dice.below(1000), () => deliver(envelope));
        break;
      case 'late':
        this.#later(dice.below(3000), () => deliver(envelope));
        break;
      case 'broken':
        this.faults += 1;
        deliver(dice.pick([null, { ...envelope, sequence: 'x' }, { ...envelope, value: 7 }]));
        break;
      case 'foreign':
        this.faults += 1;
        deliver({ ...envelope, incarnation: 'of another store' });
        break;
      case 'whole':
        deliver(envelope);
    }
  }

  #fate(): (typeof fates)[number] {
    if (this.isCalm) return 'whole';
    let roll = this.#dice.next();
    for (const fate of fates) {
      if (fate === 'whole') break;
      roll -= chances[fate];
      if (roll < 0) return fate;
    }
    return 'whole';
  }
}
