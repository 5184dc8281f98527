import type { Principal } from '../access/index.ts';
import type { Connection } from './connection.ts';
import type { SocketRoom } from './room.ts';

/** A look may cost a row of the database, or a signature: with thousands of sockets, others have their turns in between. */
const LOOKS_PER_TURN = 50;
/** More that are not answered yet would wait for each other until all of them seem too slow… */
const PENDING_MAX = 1000;
/** …and where answers take as long as this, so would fewer. */
const SLOW_MS = 500;
const PENDING_SLOW_MAX = 100;
const CROWDED_REST_MS = 10;
/** For so long all who ask alike share a look. */
const SHARED_MS = 250;
const PATIENCE_MS = 1500;

type Watched = Pick<Connection, 'credentials' | 'principal' | 'end'>;
type Looks = Map<string, Promise<Principal | null>>;

/** Looks again and again whether the tokens of open sockets still let in, and to as much (stores.md §11.3). */
export class Rechecks {
  readonly #room: Pick<SocketRoom, 'access' | 'clock' | 'report'>;
  readonly #open: ReadonlySet<Watched>;
  /** Tokens that are being looked at, and since when; null: for too long. */
  readonly #checking = new Map<Watched, number | null>();
  /** How many of them are not given up. */
  #pending = 0;
  #isRunning = false;
  #isWanted = false;

  constructor(room: Pick<SocketRoom, 'access' | 'clock' | 'report'>, open: ReadonlySet<Watched>) {
    this.#room = room;
    this.#open = open;
  }

  /** Looks at all, each once at a time. */
  inTurn(): void {
    if (!this.#isRunning) void this.#round(false);
  }

  /** Looks at all as of now: once more, where that goes on already. */
  soon(): void {
    this.#isWanted = this.#isRunning;
    if (!this.#isRunning) void this.#round(true);
  }

  /** One check without an end counts as failed, or whoever is revoked would stay; what has come meanwhile is heard first. */
  judge(): void {
    const { clock } = this.#room;
    const now = clock.now();
    if (this.#pending > 0) clock.setImmediate(() => this.#endLate(now));
  }

  /** The socket is gone. */
  forget(connection: Watched): void {
    if ((this.#checking.get(connection) ?? null) !== null) this.#pending -= 1;
    this.#checking.delete(connection);
  }

  #endLate(now: number): void {
    for (const [connection, since] of this.#checking) {
      if (since === null || now - since <= PATIENCE_MS) continue;
      this.#checking.set(connection, null);
      this.#pending -= 1;
      this.#room.report('a token could not be checked', new Error('the authenticator is too slow'));
      connection.end(4002, 'token not checkable');
    }
  }

  /** `isAnew`: those too that are being looked at. */
  async #round(isAnew: boolean): Promise<void> {
    this.#isRunning = true;
    const { clock } = this.#room;
    let looks: Looks = new Map();
    let since = clock.now();
    let begun = 0;
    for (const connection of Array.from(this.#open)) {
      if (begun === LOOKS_PER_TURN) {
        // oxlint-disable-next-line no-await-in-loop -- so that others have their turns
        await this.#rest();
        begun = 0;
        if (clock.now() - since > SHARED_MS) looks = new Map();
        if (looks.size === 0) since = clock.now();
      }
      const isUnderWay = !isAnew && this.#checking.has(connection);
      if (isUnderWay || !this.#open.has(connection)) continue;
      this.#look(connection, looks);
      begun += 1;
    }
    this.#isRunning = false;
    if (!this.#isWanted) return;
    this.#isWanted = false;
    await this.#round(true);
  }

  async #rest(): Promise<void> {
    const { clock } = this.#room;
    await new Promise<void>((resolve) => clock.setImmediate(resolve));
    while (this.#isCrowded) {
      // oxlint-disable-next-line no-await-in-loop -- until some are answered, or given up
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, CROWDED_REST_MS));
    }
  }

  get #isCrowded(): boolean {
    if (this.#pending < PENDING_SLOW_MAX) return false;
    const now = this.#room.clock.now();
    for (const since of this.#checking.values()) {
      if (since !== null) return this.#pending >= PENDING_MAX || now - since > SLOW_MS;
    }
    return false;
  }

  #look(connection: Watched, looks: Looks): void {
    const { credentials } = connection;
    const since = this.#room.clock.now();
    if (!this.#checking.has(connection)) {
      this.#checking.set(connection, since);
      this.#pending += 1;
    }
    void this.#verdict(connection, looks).then((verdict) => {
      if (this.#checking.get(connection) === since) this.forget(connection);
      // Another token is in force by now, and was looked at when it came.
      if (connection.credentials !== credentials) return;
      if (verdict === 'invalid') connection.end(4001, 'token invalid');
      if (verdict === 'changed') connection.end(4002, 'grants changed');
      if (verdict === 'unknown') connection.end(4002, 'token not checkable');
    });
  }

  /** Who cannot be checked is not let go on (§11.3, fail closed), but may knock again: the token is not known to be bad. */
  async #verdict(
    { credentials, principal }: Watched,
    looks: Looks,
  ): Promise<'valid' | 'invalid' | 'changed' | 'unknown'> {
    try {
      return await this.#room.access.recheck(credentials, principal, looks);
    } catch (error) {
      this.#room.report('a token could not be checked', error);
      return 'unknown';
    }
  }
}
