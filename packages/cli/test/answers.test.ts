import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { linesOf, onTerminal, temporaryDirectory } from './harness.ts';

/** The address of a server that answers all in the same way, until the test ends. */
async function answering(answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** How a command ends there. */
async function run(url: string, args: readonly string[]) {
  const end = args.indexOf('--');
  const at = end === -1 ? args.length : end;
  const to = ['--url', url, '--token', 'x', '--json', '--timeout', '2s'];
  const { code, stdout, stderr } = await onTerminal(args.toSpliced(at, 0, ...to));
  const error = linesOf(stderr).find((line) => 'error' in line)?.['error'];
  return { code, stdout, error };
}

/** A file to import. */
async function lines(): Promise<string> {
  const { path, remove } = await temporaryDirectory();
  onTestFinished(remove);
  const file = join(path, 'lines.jsonl');
  await writeFile(file, '{"path":"a","value":1}\n');
  return file;
}

/** Every command that asks a server, each a way that would succeed. */
async function commands(): Promise<readonly (readonly string[])[]> {
  const file = await lines();
  const path = dirname(file);
  const s = 'demo/main';
  return [
    ['get', s, 'a'],
    ['entries', s],
    ['range', s, 'a', 'b'],
    ['at', s, '1'],
    ['get-file', s, 'a', join(path, 'a')],
    ['watch', s, '--count', '1'],
    ['tail', s, '--count', '1'],
    ['tail', s, '--since', '1', '--count', '1'],
    ['explain', s, 'a'],
    ['status'],
    ['status', s],
    ['put', s, 'a', '1'],
    ['merge', s, 'a', '{"b":1}'],
    ['delete', s, 'a'],
    ['increment', s, 'a'],
    ['add', s, 'a', '1'],
    ['remove', s, 'a', '1'],
    ['put-file', s, 'a', file],
    ['transact', s, '[{"op":"put","path":"a","value":1}]'],
    ['lease', s, 'a'],
    ['renew', s, 'a', '1'],
    ['release', s, 'a', '1'],
    ['once', s, 'a', '--', 'true'],
    ['log', s],
    ['diff', s, '1'],
    ['rollback', s, '1', '--all'],
    ['clone', s, 'copy'],
    ['export', s, join(path, 'out.jsonl')],
    ['import', s, file],
    ['import', s, file, '--atomic'],
    ['stores'],
    ['stores', 'create', s],
    ['stores', 'archive', s],
    ['stores', 'purge', s, '--yes'],
    ['tokens'],
    ['tokens', 'create'],
    ['tokens', 'revoke', 'x'],
    ['webhooks', s],
    ['webhooks', 'create', s, 'https://example.org'],
    ['webhooks', 'remove', s, 'x'],
    ['webhooks', 'ping', s, 'x'],
    ['webhooks', 'deliveries', s, 'x'],
    ['webhooks', 'replay', s, 'x', '--after', '1'],
    ['audit'],
    ['bench', s, '--for', '1s'],
    ['view', 'Board'],
  ];
}

const json = { 'content-type': 'application/json' };
const html = { 'content-type': 'text/html' };

test.each<[string, (response: ServerResponse) => void]>([
  ['an object of nothing', (response) => response.writeHead(200, json).end('{}')],
  [
    'what is right, and null',
    (response) =>
      response
        .writeHead(200, json)
        .end('{"ok":null,"scopes":null,"store":{},"items":{},"entries":[],"imported":"1"}'),
  ],
  ['a list', (response) => response.writeHead(200, json).end('[]')],
  ['a page', (response) => response.writeHead(200, html).end('<h1>Sign in</h1>')],
  [
    'what it wants, as a page',
    (response) => response.writeHead(200, html).end('{"ok":true,"scopes":[],"imported":1}'),
  ],
  ['nothing', (response) => response.writeHead(204).end()],
  ['an empty body', (response) => response.writeHead(200, json).end()],
  ['half of an answer', (response) => response.writeHead(200, json).end('{"ok":true,"sco')],
])(
  'no command that is answered with %s says that it is done, and all say that this is no Holdfast server',
  { timeout: 120_000 },
  async (_what, answer) => {
    const url = await answering(answer);
    const all = await commands();
    const ran = await Promise.all(all.map((args) => run(url, args)));
    const told = all.map((args, index) => ({ args, ...ran[index] }));
    expect(told).toEqual(
      all.map((args) => ({
        args,
        code: 8,
        stdout: '',
        error: expect.objectContaining({ code: 'not_holdfast' }),
      })),
    );
    const [, , , out = ''] = all.find(([name]) => name === 'get-file') ?? [];
    expect(existsSync(out)).toBe(false);
  },
);

test.each([502, 503, 504])(
  'a proxy that says %i, for the server behind it is gone, is told as a server that cannot be reached',
  async (status) => {
    const url = await answering((response) =>
      response.writeHead(status, html).end('<h1>Bad gateway</h1>'),
    );
    for (const args of [['stores'], ['put', 'demo/main', 'a', '1'], ['export', 'demo/main', '-']]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await run(url, args)).toMatchObject({
        code: 7,
        stdout: '',
        error: { code: 'unavailable', message: expect.stringContaining(String(status)) },
      });
    }
  },
);

test.each([
  ['stores', 'archive', 'demo/main'],
  ['stores', 'purge', 'demo/main', '--yes'],
  ['tokens', 'revoke', 'x'],
  ['webhooks', 'remove', 'demo/main', 'x'],
])('%s %s that is answered with ok: false is not told as done', async (...args) => {
  const url = await answering((response) => response.writeHead(200, json).end('{"ok":false}'));
  expect(await run(url, args)).toMatchObject({
    code: 8,
    stdout: '',
    error: { code: 'not_holdfast' },
  });
});

test('an import that is refused as a whole is told as refused, not as done', async () => {
  const url = await answering((response) =>
    response.writeHead(422, json).end('{"error":"idempotency_key_reuse","detail":"Another one."}'),
  );
  const all = await commands();
  const imports = all.filter(([name]) => name === 'import');
  for (const ran of await Promise.all(imports.map((args) => run(url, args)))) {
    expect(ran).toMatchObject({
      code: 8,
      stdout: '',
      error: { code: 'idempotency_key_reuse' },
    });
  }
});

test('what a server does later is waited for, and that is said: a script of every night goes on by itself', async () => {
  const later = '{"error":"rate_limited","retry_after_ms":0}';
  const answers = {
    diff: '{"changes":[]}',
    rollback: '{"store_seq":3,"ops_written":0}',
    export: '{"_header":true,"entry_count":0}\n',
    tail: 'id: 2\nevent: op\ndata: {"store_seq":2,"op":"set","path":"a","value":1}\n\n',
    import: '{"imported":1,"failed":[],"failed_total":0}',
  };
  const types: ReadonlyMap<string, string> = new Map([
    ['export', 'application/x-ndjson'],
    ['tail', 'text/event-stream'],
  ]);
  const file = await lines();
  for (const args of [
    ['diff', 'demo/main', '1'],
    ['rollback', 'demo/main', '1', '--all'],
    ['export', 'demo/main', '-'],
    ['tail', 'demo/main', '--since', '1', '--count', '1'],
    ['import', 'demo/main', file],
  ] as const) {
    let asked = 0;
    const type = { 'content-type': types.get(args[0]) ?? 'application/json' };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const url = await answering((response) => {
      asked += 1;
      if (asked < 3) response.writeHead(429, json).end(later);
      else response.writeHead(200, type).end(answers[args[0]]);
    });
    // oxlint-disable-next-line no-await-in-loop -- the same
    const { code, stderr } = await onTerminal([...args, '--url', url, '--token', 'x', '--json']);
    const told = linesOf(stderr).filter((line) => !('progress' in line || 'following' in line));
    const waited = { waiting_ms: 0, code: 'rate_limited' };
    expect({ code, told, asked }).toEqual({
      code: 0,
      told: [waited, waited],
      asked: 3,
    });
  }
});

test('what came by standard input is not sent twice, and that is said', async () => {
  let asked = 0;
  const url = await answering((response) => {
    asked += 1;
    response.writeHead(429, json).end('{"error":"rate_limited","retry_after_ms":0}');
  });
  const { code, error } = await run(url, ['import', 'demo/main', '-']);
  const hint: unknown = expect.stringContaining('Standard input cannot be sent twice');
  expect({ code, asked, error }).toMatchObject({
    code: 7,
    asked: 1,
    error: { code: 'rate_limited', hint },
  });
});

test('what a server does in a day is not waited for', async () => {
  const url = await answering((response) =>
    response.writeHead(429, json).end('{"error":"rate_limited","retry_after_ms":86400000}'),
  );
  expect(await run(url, ['diff', 'demo/main', '1'])).toMatchObject({
    code: 7,
    error: { code: 'rate_limited', details: { retry_after_ms: 86_400_000 } },
  });
});
