import { type Client, createClient } from '@holdfast/client';
import { disclose } from './disclose.ts';
import { explain } from './edits.ts';
import { Cell, type Readable } from './signal.ts';
import { Workspace } from './workspace.ts';

/** A store as the server lists it. */
export type ListedStore = { readonly name: string; readonly isArchived: boolean };

/** The stores that may be picked. */
export type StoreList =
  | { readonly state: 'loading' }
  | { readonly state: 'listed'; readonly stores: readonly ListedStore[] }
  | { readonly state: 'failed'; readonly why: 'unauthorized' | 'forbidden' | 'unreachable' };

/** Something to tell, once; `id` tells two with the same words apart. */
export type Notice = { readonly id: number; readonly text: string };

const LIST_RETRY_MS = 2000;
/** An org has 63 characters at most, and a name in it 128. */
const NAME_MAX = 192;
const TITLE = 'Holdfast console';
const QUESTION = 'What is not saved yet is lost then. Go on?';

/** An address of the server that this page came from: a proxy may serve it below a path of its own. */
function beside(path: string): string {
  return new URL(path, location.href).href;
}

/** Somebody who is signed in: the client, the stores, and the one that is looked at. */
export class Session {
  readonly client: Client;
  readonly #token: string;
  readonly #stores = new Cell<StoreList>({ state: 'loading' });
  readonly #workspace = new Cell<Workspace | null>(null);
  readonly #notice = new Cell<Notice | null>(null);
  /** Null while nobody has said; then the server says of each write whether it may be. */
  readonly #mayWrite = new Cell<boolean | null>(null);
  readonly #ended = new AbortController();
  /** How often the list was asked for. */
  #asked = 0;

  constructor(token: string) {
    this.#token = token;
    this.client = createClient({
      url: beside('.').replace(/^http/, 'ws'),
      token,
      onRejected: ({ error }) => this.tell(`A write was refused. ${explain(error)}`),
      onError: (error) => this.tell(explain(error)),
    });
    const keep = (event: Event): void => {
      if (this.#keepsSomething) event.preventDefault();
    };
    const { signal } = this.#ended;
    addEventListener('beforeunload', keep, { signal });
    // Who has made a store elsewhere, or was given a right, finds it here when they come back.
    const again = (): void => {
      const list = this.#stores.get();
      if (list.state === 'listed') void this.#list();
      else if (list.state === 'failed' && list.why === 'forbidden') void this.#learn();
    };
    addEventListener('focus', again, { signal });
    void this.#list();
  }

  get isClosed(): boolean {
    return this.#ended.signal.aborted;
  }

  get stores(): Readable<StoreList> {
    return this.#stores;
  }

  get workspace(): Readable<Workspace | null> {
    return this.#workspace;
  }

  get notice(): Readable<Notice | null> {
    return this.#notice;
  }

  tell(text: string): void {
    this.#notice.set({ id: (this.#notice.get()?.id ?? 0) + 1, text });
  }

  /** Whether whoever is signed in may go: asks before anything that is not saved, or not committed, is lost. */
  mayLeave(): boolean {
    return !this.#keepsSomething || confirm(QUESTION);
  }

  open(name: string): void {
    const open = this.#workspace.get();
    if (open?.store.name === name) return;
    // What is not committed yet is the client's, and is not lost with its store.
    if (this.#hasEdits && !confirm(QUESTION)) return;
    const next = new Workspace(this.client, name, this.#mayWrite);
    open?.close();
    document.title = `${name} – ${TITLE}`;
    this.#workspace.set(next);
    // From a store that was picked, the way back leads to the one before.
    nameStore(name, open !== null && namedStore() !== name ? 'further' : 'here');
  }

  /** Opens the store that the address names by now, where there is one of that name; the address names the one that is open. */
  follow(): void {
    const list = this.#stores.get();
    if (list.state === 'listed') {
      const store = this.#named(list.stores);
      if (store !== undefined) this.open(store.name);
    } else if (list.state === 'failed' && list.why === 'forbidden') this.#openUnlisted();
    const open = this.#workspace.get();
    if (open !== null) nameStore(open.store.name, 'here');
  }

  close(): void {
    document.title = TITLE;
    this.#ended.abort();
    this.#workspace.get()?.close();
    void this.client.close();
  }

  get #hasEdits(): boolean {
    return (this.#workspace.get()?.edits.drafts.get().size ?? 0) > 0;
  }

  /** What is not saved is kept by this page only, and so is what is not committed. */
  get #keepsSomething(): boolean {
    return this.#hasEdits || this.client.status.get().pending > 0;
  }

  /** Of several that are asked for at a time, as by a page that gets the focus again, the newest list counts. */
  async #list(): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    let found: readonly ListedStore[] | number = 0;
    try {
      const response = await this.#get('api/stores');
      found = response.ok ? readStores(await response.json()) : response.status;
      await this.#learn();
    } catch {
      // There is no answer.
    }
    if (asked !== this.#asked) return;
    if (typeof found === 'number') this.#fail(found);
    else this.#show(found);
  }

  /** Asks what the token may do by now; what was known before is the best there is without an answer. */
  async #learn(): Promise<void> {
    try {
      const response = await this.#get('api/whoami');
      if (response.ok) this.#mayWrite.set(readMayWrite(await response.json()));
    } catch {
      // There is none.
    }
  }

  #get(path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${this.#token}` };
    return fetch(beside(path), { headers, signal: this.#ended.signal });
  }

  /** Opens what the address names, or else the first. */
  #show(stores: readonly ListedStore[]): void {
    this.#stores.set({ state: 'listed', stores });
    if (this.#workspace.get() !== null) return;
    const store = this.#named(stores) ?? stores[0];
    if (store !== undefined) this.open(store.name);
  }

  /** The store that the address names. Where there is none, that is said: what is shown is another, which somebody may take for it. */
  #named(stores: readonly ListedStore[]): ListedStore | undefined {
    const wanted = namedStore();
    const store = stores.find(({ name }) => name === wanted);
    if (wanted !== null && store === undefined) {
      const name = disclose(wanted.slice(0, NAME_MAX));
      this.tell(`There is no store ${name} here, or this token may not see it.`);
    }
    return store;
  }

  /** Who may list no stores may use the one that the address names all the same. */
  #openUnlisted(): void {
    const name = namedStore();
    if (name === null) return;
    try {
      this.open(name);
    } catch (error) {
      this.tell(explain(error));
    }
  }

  #fail(status: number): void {
    const { signal } = this.#ended;
    // What was listed before is the best there is.
    if (signal.aborted || this.#stores.get().state === 'listed') return;
    if (status === 401 || status === 403) {
      this.#stores.set({ state: 'failed', why: status === 401 ? 'unauthorized' : 'forbidden' });
      if (status === 403) this.#openUnlisted();
      return;
    }
    this.#stores.set({ state: 'failed', why: 'unreachable' });
    const again = setTimeout(() => void this.#list(), LIST_RETRY_MS);
    signal.addEventListener('abort', () => clearTimeout(again), { once: true });
  }
}

/** The store that the address names; null: none. */
function namedStore(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get('store');
}

/** Has the address name a store: whoever loads the page anew, or is given its link, comes to that. */
function nameStore(name: string, where: 'here' | 'further'): void {
  const address = `#store=${encodeURIComponent(name).replaceAll('%2F', '/')}`;
  if (where === 'further') history.pushState(null, '', address);
  else history.replaceState(null, '', address);
}

/** Whether what `whoami` says lets anything be written; of which paths, the server says of each write. */
function readMayWrite(body: unknown): boolean | null {
  if (typeof body !== 'object' || body === null || !('scopes' in body)) return null;
  const scopes: readonly unknown[] = Array.isArray(body.scopes) ? body.scopes : [];
  if (!scopes.includes('entries:write')) return false;
  const rules = 'path_rules' in body ? body.path_rules : null;
  return !Array.isArray(rules) || rules.some(allowsWrite);
}

function allowsWrite(rule: unknown): boolean {
  const allowed = typeof rule === 'object' && rule !== null && 'allow' in rule ? rule.allow : null;
  return Array.isArray(allowed) && allowed.includes('write');
}

function readStores(body: unknown): readonly ListedStore[] {
  if (typeof body !== 'object' || body === null || !('stores' in body)) return [];
  const rows: readonly unknown[] = Array.isArray(body.stores) ? body.stores : [];
  return rows.flatMap((row) => {
    if (typeof row !== 'object' || row === null || !('full_name' in row)) return [];
    const isArchived = 'status' in row && row.status === 'archived';
    return typeof row.full_name === 'string' ? [{ name: row.full_name, isArchived }] : [];
  });
}
