import type { LookupAddress } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

/** A name server that does not answer is asked twice, for three seconds in all: an attempt has five. */
const ASK = { timeout: 1000, tries: 2 };

type Addresses = readonly LookupAddress[];

/** A name of which nothing came, and why. */
type Silence = { readonly error: unknown; readonly isAnswered: boolean };

/**
 * What the names of receivers resolve to.
 *
 * The system's own resolver holds a thread for each name until that is answered, and the process has two: names that nobody
 * answers for would hold up whatever else is resolved, of other webhooks and of everything else. So name servers are asked
 * first, which takes no thread; the system, which knows its hosts file and search domains too, is asked for one name at
 * a time, and for none that they left without an answer. Names that the operator lists wait for nobody.
 */
export class Names {
  readonly #servers: readonly string[] | null;
  /** Resolves when the system has done with all that it was asked before. */
  #asked: Promise<unknown> = Promise.resolve();

  /** `servers`: other name servers than the system's. */
  constructor(servers: readonly string[] | null = null) {
    this.#servers = servers;
  }

  /** The addresses of a host. Rejects where there are none, or when it is aborted. */
  async resolve(
    host: string,
    { isListed, signal }: { readonly isListed: boolean; readonly signal: AbortSignal },
  ): Promise<Addresses> {
    const found =
      isListed || isIP(host) > 0 ? lookup(host, { all: true }) : this.#find(host, signal);
    return Promise.race([found, aborted(signal)]);
  }

  async #find(host: string, signal: AbortSignal): Promise<Addresses> {
    // No name server knows what `localhost` is here.
    if (host.includes('.')) {
      const answer = await this.#ask(host, signal);
      if (!('error' in answer)) return answer;
      if (!answer.isAnswered) throw answer.error;
    }
    return this.#inTurn(host, signal);
  }

  async #ask(host: string, signal: AbortSignal): Promise<Addresses | Silence> {
    const resolver = new Resolver(ASK);
    if (this.#servers !== null) resolver.setServers(this.#servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    const [four, six] = await Promise.allSettled([
      resolver.resolve4(host),
      resolver.resolve6(host),
    ]);
    signal.removeEventListener('abort', cancel);
    const found = [...addressesOf(four, 4), ...addressesOf(six, 6)];
    const failures = [four, six].flatMap((each) =>
      each.status === 'rejected' ? [each.reason] : [],
    );
    const silence = failures.find(isSilence);
    return found.length > 0
      ? found
      : { error: silence ?? failures[0], isAnswered: silence === undefined };
  }

  /** One at a time, and until the system has done: what is aborted goes on in its thread. */
  async #inTurn(host: string, signal: AbortSignal): Promise<Addresses> {
    const found = this.#asked.then(() => {
      signal.throwIfAborted();
      return lookup(host, { all: true });
    });
    this.#asked = found.catch(() => undefined);
    return found;
  }
}

function addressesOf(answer: PromiseSettledResult<string[]>, family: 4 | 6): Addresses {
  const found = answer.status === 'fulfilled' ? answer.value : [];
  return found.map((address) => ({ address, family }));
}

/** No answer in time, or none that was waited for. */
function isSilence(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ETIMEOUT' || code === 'ECANCELLED';
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });
}
