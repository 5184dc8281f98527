import type { Command } from './command.ts';
import type { Completable } from './completion.ts';

/** A command of the table: told in one line, loaded only when it is run. */
export type Entry = { readonly summary: string; readonly load: () => Promise<Command> };

type Section = { readonly title: string; readonly entries: { readonly [name: string]: Entry } };

function entry(summary: string, load: () => Promise<{ readonly command: Command }>): Entry {
  return { summary, load: async () => (await load()).command };
}

/** Every command, in the order of the overview. */
export const sections: readonly Section[] = [
  {
    title: 'Servers',
    entries: {
      dev: entry(
        'Start a server for development on this computer',
        () => import('./commands/dev.ts'),
      ),
      serve: entry('Start a server that others may reach', () => import('./commands/serve.ts')),
      backup: entry(
        'Copy the data of a server, which goes on',
        () => import('./commands/backup.ts'),
      ),
      restore: entry(
        'Make the data of a server out of a backup',
        () => import('./commands/restore.ts'),
      ),
      config: entry('Show the settings of serve', () => import('./commands/config.ts')),
    },
  },
  {
    title: 'Reading',
    entries: {
      get: entry('Show what is at a path', () => import('./commands/get.ts')),
      entries: entry('List entries by pattern', () => import('./commands/entries.ts')),
      range: entry('List entries between two paths', () => import('./commands/range.ts')),
      'get-file': entry('Download a file', () => import('./commands/get-file.ts')),
      watch: entry('Follow changes as they happen', () => import('./commands/watch.ts')),
      tail: entry('Follow the log, op by op', () => import('./commands/tail.ts')),
      view: entry(
        'Show and follow a view, or send it a command',
        () => import('./commands/view.ts'),
      ),
      explain: entry(
        'Tell why a token may or may not do something',
        () => import('./commands/explain.ts'),
      ),
      status: entry('Show the figures of a store', () => import('./commands/status.ts')),
    },
  },
  {
    title: 'Writing',
    entries: {
      put: entry('Write a value', () => import('./commands/put.ts')),
      merge: entry('Write some members of a map', () => import('./commands/merge.ts')),
      delete: entry('Remove a path and all below it', () => import('./commands/delete.ts')),
      increment: entry('Add to a number', () => import('./commands/increment.ts')),
      add: entry('Add a member to a set', () => import('./commands/add.ts')),
      remove: entry('Remove a member from a set', () => import('./commands/remove.ts')),
      'put-file': entry('Upload a file', () => import('./commands/put-file.ts')),
      transact: entry('Do several writes, all or nothing', () => import('./commands/transact.ts')),
    },
  },
  {
    title: 'History',
    entries: {
      log: entry('Show what happened', () => import('./commands/log.ts')),
      diff: entry('Show what differs between two seqs', () => import('./commands/diff.ts')),
      at: entry('List entries as they were', () => import('./commands/at.ts')),
      rollback: entry('Go back to what was', () => import('./commands/rollback.ts')),
      clone: entry(
        'Make another store that begins as this one is',
        () => import('./commands/clone.ts'),
      ),
      export: entry('Write a store to a file', () => import('./commands/export.ts')),
      import: entry('Write a file into a store', () => import('./commands/import.ts')),
    },
  },
  {
    title: 'Leases',
    entries: {
      lease: entry('Acquire a lease', () => import('./commands/lease.ts')),
      renew: entry('Extend a lease', () => import('./commands/renew.ts')),
      release: entry('Give a lease back', () => import('./commands/release.ts')),
      once: entry('Run a program once among all', () => import('./commands/once.ts')),
    },
  },
  {
    title: 'Administration',
    entries: {
      stores: entry('List the stores', () => import('./commands/stores.ts')),
      'stores create': entry('Make a store', () => import('./commands/stores-create.ts')),
      'stores archive': entry(
        'Close a store; its data stays',
        () => import('./commands/stores-archive.ts'),
      ),
      'stores purge': entry('Delete a store for good', () => import('./commands/stores-purge.ts')),
      tokens: entry('List the tokens', () => import('./commands/tokens.ts')),
      'tokens create': entry('Make a token', () => import('./commands/tokens-create.ts')),
      'tokens revoke': entry('Take a token back', () => import('./commands/tokens-revoke.ts')),
      webhooks: entry('List the webhooks of a store', () => import('./commands/webhooks.ts')),
      'webhooks create': entry(
        'Send what happens to a URL',
        () => import('./commands/webhooks-create.ts'),
      ),
      'webhooks ping': entry('Try a webhook', () => import('./commands/webhooks-ping.ts')),
      'webhooks deliveries': entry(
        'Show what a webhook was sent',
        () => import('./commands/webhooks-deliveries.ts'),
      ),
      'webhooks replay': entry(
        'Send again what a webhook has passed',
        () => import('./commands/webhooks-replay.ts'),
      ),
      'webhooks remove': entry('Remove a webhook', () => import('./commands/webhooks-remove.ts')),
      outbox: entry(
        'List the writes that an application keeps',
        () => import('./commands/outbox.ts'),
      ),
      'outbox retry': entry('Send one of them again', () => import('./commands/outbox-retry.ts')),
      'outbox discard': entry('Give one of them up', () => import('./commands/outbox-discard.ts')),
      'outbox export': entry('Write all of them out', () => import('./commands/outbox-export.ts')),
      bench: entry('Measure a server from here', () => import('./commands/bench.ts')),
      audit: entry('Show what administrators did', () => import('./commands/audit.ts')),
      completion: entry('Write a completion script for a shell', async () => {
        const { completionOf } = await import('./commands/completion.ts');
        return { command: completionOf(completables) };
      }),
    },
  },
];

/** Every command by its name, which may be two words. */
export const commands: ReadonlyMap<string, Entry> = new Map(
  sections.flatMap(({ entries }) => Object.entries(entries)),
);

/** Every command as shells complete it. */
async function completables(): Promise<readonly Completable[]> {
  return Promise.all(
    [...commands].map(async ([name, { summary, load }]): Promise<Completable> => {
      const { options, words } = await load();
      return { name, summary, options, words };
    }),
  );
}
