import { createSocket } from 'node:dgram';
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import { expect, onTestFinished, test, vi } from 'vitest';

import { Names } from '../../src/webhooks/names.ts';

const v4 = 1;

/** A name server that knows `*.known` as 192.0.2.7, says of `*.unknown` that there is no such name, and of others nothing. */
async function nameServer(): Promise<string> {
  const socket = createSocket('udp4');
  socket.on('message', (question, { port, address }) => {
    const { name, type, end } = asked(question);
    const isKnown = name.endsWith('.known');
    if (!isKnown && !name.endsWith('.unknown')) return;
    const isFound = isKnown && type === v4;
    const flags = [0x81, isKnown ? 0x80 : 0x83];
    const counts = [0, 1, 0, isFound ? 1 : 0, 0, 0, 0, 0];
    const head = Buffer.from([...question.subarray(0, 2), ...flags, ...counts]);
    const record = [0xc0, 12, 0, v4, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
    const answer = Buffer.from(isFound ? record : []);
    socket.send(Buffer.concat([head, question.subarray(12, end), answer]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

function asked(question: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let size = question.readUInt8(at); size > 0; size = question.readUInt8(at)) {
    labels.push(question.toString('latin1', at + 1, at + 1 + size));
    at += size + 1;
  }
  return { name: labels.join('.'), type: question.readUInt16BE(at + 1), end: at + 5 };
}

/** The system's resolver, which answers when the test says so. */
function system(): { readonly hosts: readonly string[]; answer(): void } {
  const hosts: string[] = [];
  const waiting: (() => void)[] = [];
  const lookup = vi.spyOn(dns, 'lookup');
  lookup.mockImplementation((async (host: string) => {
    hosts.push(host);
    await new Promise<void>((resolve) => waiting.push(resolve));
    return [{ address: '192.0.2.9', family: 4 }];
  }) as never);
  syncBuiltinESMExports();
  onTestFinished(() => {
    lookup.mockRestore();
    syncBuiltinESMExports();
  });
  return { hosts, answer: () => waiting.shift()?.() };
}

const plain = { isListed: false, signal: new AbortController().signal };

test('names that nobody answers for hold nobody up, and take no thread of the system', async () => {
  const { hosts } = system();
  const names = new Names([await nameServer()]);
  const deadline = new AbortController();
  const silent = Array.from({ length: 40 }, (_, index) =>
    names.resolve(`hook${index}.silent`, { isListed: false, signal: deadline.signal }),
  );
  const ended = Promise.allSettled(silent);
  const first = Promise.race(silent);
  const known = names.resolve('hook.known', plain);
  await expect(Promise.race([known, first])).resolves.toEqual([
    { address: '192.0.2.7', family: 4 },
  ]);
  deadline.abort();
  expect((await ended).map(({ status }) => status)).toEqual(silent.map(() => 'rejected'));
  expect(hosts).toEqual([]);
});

test('the system is asked for one name at a time that name servers do not know, until it has answered', async () => {
  const { hosts, answer } = system();
  const names = new Names([await nameServer()]);
  const deadline = new AbortController();
  const given = names.resolve('one.unknown', { isListed: false, signal: deadline.signal });
  await expect.poll(() => hosts).toEqual(['one.unknown']);
  deadline.abort();
  await expect(given).rejects.toThrow('aborted');
  const next = names.resolve('short', plain);
  // Names that the operator lists do not wait for those of others.
  const listed = names.resolve('hooks.internal', { ...plain, isListed: true });
  expect(hosts).toEqual(['one.unknown', 'hooks.internal']);
  answer();
  await expect.poll(() => hosts).toEqual(['one.unknown', 'hooks.internal', 'short']);
  answer();
  answer();
  await expect(listed).resolves.toEqual([{ address: '192.0.2.9', family: 4 }]);
  await expect(next).resolves.toEqual([{ address: '192.0.2.9', family: 4 }]);
});
