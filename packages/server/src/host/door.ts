import type { LoggedOp, LoneRequest, Submission } from '@holdfast/engine/authority';
import type { Scope, Span, Tree } from '@holdfast/engine/data';
import {
  isRefusal,
  type Refusal,
  refuse,
  type Rollback,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import { refuseSeq, spanOf, stateAt, targetOf } from './history.ts';
import type { Looker } from '../storage/turn.ts';
import type { Patrol } from './patrol.ts';
import type { Stores } from './stores.ts';
import type { StoreHost } from './store-host.ts';
import { tellBackwards, Telling } from './telling.ts';

/** A store as one HTTP request holds it open. */
type OpenStore = Pick<
  StoreHost,
  'view' | 'valueAt' | 'row' | 'standing' | 'read' | 'follow' | 'archived'
> & {
  /** How many leaves of the committed state are leases, those that have ended included. */
  readonly leases: number;
  /** Commits the request, or tells why not. `mayStill`: whether it is still its sender's to make. */
  write(request: LoneRequest, mayStill?: () => Promise<boolean>): Promise<WriteReply | Refusal>;
  /** The state at a seq, or why there is none. */
  past(seq: Seq, looker: Looker): Promise<Tree | Refusal>;
  /** The same to go back to, as it is asked for. */
  target(asked: Rollback, looker: Looker): Promise<Tree | Refusal>;
  /** What the ops in (from, to] did. */
  span(range: { readonly from: Seq; readonly to: Seq }, looker: Looker): Promise<Span>;
  /** Tells what a scope shows of the log after a seq. */
  tell(
    told: { readonly scope: Scope; readonly after: Seq },
    looker: Looker,
  ): Promise<Pick<Telling, 'take' | 'hasTurned'>>;
  /** What a scope shows of the log from a seq down, newest first. */
  tellBackwards(
    shown: { readonly scope: Scope; readonly from: Seq },
    looker: Looker,
  ): AsyncIterable<LoggedOp>;
  /** Calls back, unless it is released, once it hears of nothing any more: its host has stopped, it can be opened anew. */
  onLost(run: () => void): void;
  /** Lets go of the store. */
  release(): void;
};

/** How requests without a channel come to a store; each gets a channel number of its own. */
export type StoreDoor = {
  /** Holds the store open until it is released. */
  readonly openStore: (storeId: string) => Promise<OpenStore>;
  /** Holds it open for as long as `use` takes. */
  readonly withStore: <T>(storeId: string, use: (store: OpenStore) => T | Promise<T>) => Promise<T>;
  /** Tells somebody of what rules show otherwise by now, until the returned function is called. */
  readonly lookFor: Patrol['lookFor'];
};

/** The door to the open stores. */
export function doorTo(stores: Stores, nextNumber: () => number): StoreDoor {
  const openStore = async (storeId: string): Promise<OpenStore> => {
    const hold = await stores.hold(storeId);
    const { host } = hold;
    const channel = nextNumber();
    const forgets: (() => void)[] = [];
    return {
      row: host.row,
      get archived() {
        return host.archived;
      },
      get leases() {
        return host.leaseAlarm.standing;
      },
      view: () => host.view(),
      valueAt: (path) => host.valueAt(path),
      standing: () => host.standing(),
      read: (after, through) => host.read(after, through),
      follow: (follower) => host.follow(follower),
      write: (request, mayStill) => submit(host, { ...request, channel }, mayStill),
      past: async (seq, looker) => refuseSeq(host, seq) ?? stateAt(host, seq, looker),
      target: (asked, looker) => targetOf(host, asked, looker),
      span: (range, looker) => spanOf(host, range, looker),
      tell: (told, looker) => Telling.from(host, told, looker),
      tellBackwards: (shown, looker) => tellBackwards(host, shown, looker),
      onLost: (run) => forgets.push(stores.onLost(storeId, run)),
      release: () => {
        for (const forget of forgets) forget();
        host.left(channel);
        hold.release();
      },
    };
  };
  return {
    openStore,
    withStore: async (storeId, use) => {
      const store = await openStore(storeId);
      try {
        return await use(store);
      } finally {
        store.release();
      }
    },
    lookFor: (onlooker) => stores.patrol.lookFor(onlooker),
  };
}

function submit(
  host: StoreHost,
  request: LoneRequest & Pick<Submission, 'channel'>,
  stillOf: () => Promise<boolean> = async () => true,
): Promise<WriteReply | Refusal> {
  const ticket = host.ticket();
  let may = true;
  const mayStill = async (): Promise<boolean> => (may = await stillOf());
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new Error(`The store ${host.row.name} stopped meanwhile.`));
    const answered = (_ticket: number, answer: WriteReply | Refusal): void =>
      resolve(may || !isRefusal(answer) ? answer : refuse('unauthorized'));
    host.submit(
      { ...request, ticket, blocks: false, unblock: false, dialect: 4 },
      { answered, lost, mayStill },
    );
  });
}
