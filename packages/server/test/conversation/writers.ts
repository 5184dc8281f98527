import { isObject } from '@holdfast/protocol';
import { Agent } from '../mcp/agent.ts';
import type { Knock, Peer, Reply } from './peer.ts';
import { ask } from './talk.ts';
import { topic, type World } from './world.ts';

const content = Buffer.from('bytes').toString('base64');
const header = '{"_header":true,"path_schema_version":3}';

/** Somebody who writes by every surface that there is. */
export class Writer {
  readonly #home: World;
  readonly token: string;
  /** Under which what it asks for is done once; null: each time under another. */
  id: string | null = null;
  /** What was answered last. */
  last: unknown = null;
  readonly #peers = new Map<string, Promise<Peer>>();
  #agent: Promise<Agent> | null = null;

  constructor(home: World, token: string) {
    this.#home = home;
    this.token = token;
  }

  /** Its socket of a dialect, joined at the first push. */
  peer(capver: string): Promise<Peer> {
    const known = this.#peers.get(capver);
    if (known !== undefined) return known;
    const knock: Knock = { capver, token: this.token, device: `${this.token}-${capver}` };
    const peer = this.#home.connect(knock).then(async (fresh) => {
      await fresh.join(topic);
      return fresh;
    });
    this.#peers.set(capver, peer);
    return peer;
  }

  async push(capver: string, event: string, payload: object): Promise<string> {
    const peer = await this.peer(capver);
    const named = this.id === null ? payload : { ...payload, client_op_id: this.id };
    const reply = await peer.ask(topic, event, named);
    this.last = reply;
    return outcomeOf(reply);
  }

  async http(method: string, route: string, body: string, type: string): Promise<string> {
    const key = this.id === null ? {} : { 'idempotency-key': this.id };
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': type, ...key };
    const url = `${this.#home.url}/api/stores/demo/main/${route}`;
    const answer = await fetch(url, { method, headers, body: method === 'DELETE' ? null : body });
    const json: unknown = await answer.json();
    this.last = [answer.status, json];
    return reasonIn(json);
  }

  json(method: string, route: string, body: object | number): Promise<string> {
    return this.http(method, route, JSON.stringify(body), 'application/json');
  }

  async tool(name: string, told: object): Promise<string> {
    this.#agent ??= Agent.connect(this.#home.url, this.token);
    const agent = await this.#agent;
    const once = this.id === null ? {} : { op_id: this.id };
    const answer = await agent.told(name, { store: 'demo/main', ...once, ...told });
    this.last = answer;
    return reasonIn(answer);
  }
}

function outcomeOf({ status, response }: Reply): string {
  return status === 'ok' ? 'ok' : String(response['reason']);
}

/** What an answer refuses for; `ok` where it does not. */
function reasonIn(answer: unknown): string {
  const { error, reason, failed }: { [field: string]: unknown } = isObject(answer) ? answer : {};
  const [line]: readonly unknown[] = Array.isArray(failed) ? failed : [];
  if (isObject(line)) return String(line['reason']);
  if (error === undefined) return 'ok';
  return String(error === 'forbidden' ? reason : error);
}

/** A way to write one leaf at a path where there is none; to bring one back it needs the seq at which it was there. */
export type Way = (writer: Writer, path: string, since: number) => Promise<string>;

const at = (path: string): string => `path=${encodeURIComponent(path)}`;
const pushes = { set: 1, increment: 1, add: 'x', remove: 'x', lease: null };

function splitAt(path: string): readonly [string, string] {
  const cut = path.lastIndexOf('/');
  return [path.slice(0, cut), path.slice(cut + 1)];
}

function bySocket(capver: string): readonly (readonly [string, Way])[] {
  const name = (what: string): string => `${what} on capver ${capver}`;
  const simple = Object.entries(pushes).map(([op, value]): readonly [string, Way] => [
    name(op),
    (writer, path) => writer.push(capver, 'write', ask(op, path, { value })),
  ]);
  return [
    ...simple,
    [
      name('merge'),
      (writer, path) => {
        const [parent, key] = splitAt(path);
        return writer.push(capver, 'write', ask('merge', parent, { value: { [key]: 1 } }));
      },
    ],
    [
      name('put_file'),
      (writer, path) => writer.push(capver, 'put_file', ask('put_file', path, { content })),
    ],
    [
      name('rollback'),
      (writer, path, since) => writer.push(capver, 'rollback', { path, to_seq: since }),
    ],
  ];
}

const lines = (path: string): string => `${header}\n${JSON.stringify({ path, value: 1 })}`;
const ops = (path: string): object => ({ ops: [{ op: 'set', path, value: 1 }] });

/** By name. */
export const ways: readonly (readonly [string, Way])[] = [
  ...bySocket('3'),
  ...bySocket('4'),
  [
    'transact on capver 4',
    (writer, path) => writer.push('4', 'transact', { ...ask('', path), ...ops(path) }),
  ],
  ['PUT', (writer, path) => writer.json('PUT', `entry?${at(path)}`, 1)],
  ['POST entries', (writer, path) => writer.json('POST', 'entries', { path, value: 1 })],
  ['batch_write', (writer, path) => writer.json('POST', 'entries/batch_write', ops(path))],
  ['POST transact', (writer, path) => writer.json('POST', 'transact', ops(path))],
  [
    'POST rollback',
    (writer, path, since) => writer.json('POST', 'rollback', { path, to_seq: since }),
  ],
  [
    'PUT of a file',
    (writer, path) => writer.http('PUT', `file?${at(path)}`, 'bytes', 'text/plain'),
  ],
  ['import', (writer, path) => writer.http('POST', 'import', lines(path), 'application/x-ndjson')],
  [
    'atomic import',
    (writer, path) =>
      writer.http('POST', 'import?mode=atomic', lines(path), 'application/x-ndjson'),
  ],
  ['holdfast_put', (writer, path) => writer.tool('put', { path, value: 1 })],
  [
    'holdfast_merge',
    (writer, path) => {
      const [parent, key] = splitAt(path);
      return writer.tool('merge', { path: parent, value: { [key]: 1 } });
    },
  ],
  ['holdfast_increment', (writer, path) => writer.tool('increment', { path })],
  ['holdfast_add', (writer, path) => writer.tool('add', { path, member: 'x' })],
  ['holdfast_remove', (writer, path) => writer.tool('remove', { path, member: 'x' })],
  ['holdfast_lease', (writer, path) => writer.tool('lease', { path })],
  ['holdfast_transact', (writer, path) => writer.tool('transact', ops(path))],
  ['holdfast_put_file', (writer, path) => writer.tool('put_file', { path, content })],
  ['holdfast_import', (writer, path) => writer.tool('import', { payload: lines(path) })],
  ['holdfast_rollback', (writer, path, since) => writer.tool('rollback', { path, to_seq: since })],
];
