import { record, RejectedError } from '@holdfast/protocol';
import { z } from 'zod';

export const storeName = 'acme/app';
export const ids = ['a', 'b', 'c', 'd'] as const;
/** What is in each account at first. */
export const coinsAtFirst = 10;

/** An account: what is in it is the server's to say, how it is painted is anybody's. */
export const Account = record({
  name: 'account',
  store: storeName,
  path: 'accounts/:id',
  version: '1.0',
  schema: z.object({ coins: z.number().int().nonnegative(), colour: z.string() }),
  authority: { colour: 'lww' },
  mutations: {
    move: {
      input: z.object({ by: z.number().int() }),
      apply: (account, { by }) => {
        if (account === undefined) throw new RejectedError('no_account');
        if (account.coins + by < 0) throw new RejectedError('too_low', { coins: account.coins });
        return { ...account, coins: account.coins + by };
      },
    },
  },
});

/** What is noted of a transfer, in the very commit that makes it. */
export const Receipt = record({
  name: 'receipt',
  store: storeName,
  path: 'receipts/:id',
  version: '1.0',
  schema: z.object({ from: z.enum(ids), to: z.enum(ids), coins: z.number().int() }),
});

/** A transfer that somebody wants. */
export type Transfer = {
  readonly id: string;
  readonly from: (typeof ids)[number];
  readonly to: (typeof ids)[number];
  readonly coins: number;
};
