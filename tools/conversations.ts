import { createServer, type Principal } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';

/** A frame of the wire. */
type Frame = readonly [
  string | null,
  string | null,
  string,
  string,
  { readonly [field: string]: unknown },
];

const block = /<!-- conversation capver=(\d) -->\n+```text\n(.*?)```\n+<!-- \/conversation -->/gs;
const token = 'secret';

/** Holds every conversation of a page with a real server, and writes down what it answers. */
export async function replayConversations(text: string): Promise<string> {
  let fresh = text;
  for (const [whole, capver = '', lines = ''] of text.matchAll(block)) {
    const held = await hold(capver, lines);
    // An id or an instant is another one each time; that is no reason to change the page.
    if (timeless(held) !== timeless(lines)) {
      fresh = fresh.replace(whole, () => whole.replace(lines, () => held));
    }
  }
  return fresh;
}

/** Without what differs from run to run. */
function timeless(lines: string): string {
  return lines
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'uuid')
    .replaceAll(/\b\d{13}\b/g, 'instant');
}

/** `→` is said by the client of the page, `⇒` by another one; what the former hears is written after `←`. */
async function hold(capver: string, lines: string): Promise<string> {
  const server = createServer({
    storage: memory(),
    authenticate: async ({ token: given }) => (given === token ? visitor : null),
  });
  await server.stores.create('acme/blog');
  const { url } = await server.listen();
  const client = await Speaker.connect(
    `${url}/ws/sync/websocket?token=${token}&device_id=laptop&capver=${capver}&vsn=2.0.0`,
  );
  const other = await Speaker.connect(
    `${url}/ws/sync/websocket?token=${token}&device_id=phone&capver=4&vsn=2.0.0`,
  );
  await other.say(['0', '0', 'store:acme/blog', 'phx_join', { last_store_seq: 0, patterns: [] }]);
  const written: string[] = [];
  for (const line of lines.trimEnd().split('\n')) {
    if (line.startsWith('←')) continue;
    written.push(line);
    if (line.startsWith('#') || line === '') continue;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the page holds frames
    const frame = JSON.parse(line.slice(2)) as Frame;
    if (line.startsWith('⇒')) await other.say(frame);
    else await client.say(frame);
    for (const heard of await client.heard()) written.push(`← ${JSON.stringify(heard)}`);
  }
  client.close();
  other.close();
  await server.close({ retryAfterMs: 0 });
  return `${written.join('\n')}\n`;
}

const visitor: Principal = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/** A socket that says one frame at a time and hears all that it causes. */
class Speaker {
  readonly #socket: WebSocket;
  #inbox: Frame[] = [];
  #wake: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server speaks frames
      this.#inbox.push(JSON.parse(String(data)) as Frame);
      this.#wake();
    });
  }

  static async connect(url: string): Promise<Speaker> {
    const socket = new WebSocket(url.replace('http', 'ws'));
    const speaker = new Speaker(socket);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve);
      socket.addEventListener('error', () => reject(new Error(`no socket at ${url}`)));
    });
    return speaker;
  }

  /** Sends a frame and waits for all that belongs to its answer. */
  async say(frame: Frame): Promise<void> {
    this.#socket.send(JSON.stringify(frame));
    const [joinRef, ref, , event] = frame;
    const reply = await this.#until(([, at, , name]) => name === 'phx_reply' && at === ref);
    const isJoined = event === 'phx_join' && reply[4]['status'] === 'ok';
    if (isJoined) await this.#until(([, , , name]) => name === 'catch_up_complete');
    if (event === 'phx_leave') {
      await this.#until(([at, , , name]) => name === 'phx_close' && at === joinRef);
    }
  }

  /** What came since the last time, up to now: a heartbeat shows where now is. */
  async heard(): Promise<readonly Frame[]> {
    this.#socket.send(JSON.stringify([null, 'now', 'phoenix', 'heartbeat', {}]));
    await this.#until(([, ref]) => ref === 'now');
    const frames = this.#inbox.filter(([, ref]) => ref !== 'now');
    this.#inbox = [];
    return frames;
  }

  close(): void {
    this.#socket.close();
  }

  async #until(wanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.#inbox.findLast(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
