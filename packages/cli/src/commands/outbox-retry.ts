import { RejectedError } from '@holdfast/protocol';
import { askWho } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure } from '../failure.ts';
import { cacheArg, hasRead, outboxWith, withCache } from '../kept.ts';

const { timeout, token } = connectionArgs;

export const command: Command = defineCommand({
  summary: 'Send a write of an application again, under its own id, and with it all that waits.',
  args: {
    file: cacheArg,
    id: { type: 'positional', description: 'The op id that "holdfast outbox" shows' },
    token,
    timeout,
  },
  examples: ['holdfast outbox retry ./cache.db 9f3c:1a:7'],
  async run(args, { output, terminal }) {
    const { file, id } = args;
    const { store: name, ...where } = outboxWith(file, id);
    const endpoint = endpointOf({ ...args, url: where.url }, terminal);
    // It tells at once that nobody listens, or that the token is none, where a client would go on trying.
    await askWho(endpoint).catch((error: unknown) => {
      throw ofApplication(error);
    });
    const committed = await withCache(file, where, {
      token: endpoint.token,
      output,
      use: async (client) => {
        const store = client.store(name, { scope: [] });
        await hasRead(store, id);
        // A letter becomes a write again; what only waits is sent anyway, now that there is a connection.
        store.outbox.retry(id);
        await within(endpoint.timeoutMs, store.settled());
        const letter = store.outbox.deadLetters().find(({ opId }) => opId === id);
        if (letter !== undefined) throw RejectedError.from(letter.refusal);
        const status = await within(endpoint.timeoutMs, store.opStatus(id));
        return status.state === 'committed' ? status.seq : null;
      },
    });
    output.record({ op_id: id, committed }, (paint) =>
      committed === null
        ? paint.yellow(`${id} was sent, and is not known to be committed.`)
        : `${paint.green('✓')} ${id} is committed at seq ${committed}.`,
    );
  },
});

/** Where the server is the cache says, and no option. */
function ofApplication(error: unknown): unknown {
  if (!(error instanceof Failure) || !['unavailable', 'not_holdfast'].includes(error.code)) {
    return error;
  }
  const { outcome, message, code, details } = error;
  const hint = 'It is where the application has its server: try again when that one answers.';
  return new Failure(outcome, message, { code, hint, details });
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const failure = new Failure('offline', `There was no answer within ${ms} ms.`, {
      code: 'timeout',
    });
    timer = setTimeout(() => reject(failure), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
