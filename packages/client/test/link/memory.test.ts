import { describe, it } from 'vitest';
import { linkConformance } from '@holdfast/client/link/conformance';
import { memoryLink } from '@holdfast/client/link/memory';
import { Queue, QueuePeer } from './peers.ts';

describe('the memory link keeps the law of links', () => {
  const cases = linkConformance(async () => {
    const peers = new Queue<QueuePeer>();
    let refuses = false;
    const link = memoryLink((end) => {
      if (refuses) return null;
      const peer = new QueuePeer({
        send: (data) => end.send(data),
        close: (code) => {
          end.close(code);
          peer.ended();
        },
      });
      peers.put(peer);
      return { received: (data) => peer.deliver(data), closed: () => peer.ended() };
    });
    return {
      link,
      url: 'memory:',
      accept: () => peers.take(),
      refuseAll: () => {
        refuses = true;
      },
      carriesBytes: true,
      text: (n) => `text ${n}`,
      end: async () => undefined,
    };
  });
  for (const { name, run } of cases) it(name, run);
});
