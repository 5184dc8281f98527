import { WebSocket } from 'ws';
import { mount, topic } from './writers.ts';

/** A value that tells when it was written, by the clock of this process. */
export const stamp = (): string => `at${performance.now().toFixed(2)};`;

const stamps = /"at([\d.]+);/g;

/** A subscriber that reads what it gets, and notes how long each event was on its way. */
export class Probe {
  readonly socket: WebSocket;
  delays: number[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  static open(port: number, device: string): Promise<Probe> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${mount(device)}`);
    const probe = new Probe(socket);
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () => {
        const payload = { last_store_seq: 0, patterns: ['w/**'] };
        socket.send(JSON.stringify(['1', '1', topic, 'phx_join', payload]));
      });
      socket.on('message', (data: Buffer) => {
        const text = data.toString('latin1');
        if (text.includes('catch_up_complete')) resolve(probe);
        const now = performance.now();
        for (const [, at] of text.matchAll(stamps)) probe.delays.push(now - Number(at));
      });
    });
  }
}

/** Calls `act` so many times a second, evenly, for so long. */
export function paced(perSecond: number, seconds: number, act: () => void): Promise<number> {
  const startedAt = performance.now();
  let done = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const passed = Math.min(performance.now() - startedAt, seconds * 1000);
      for (; done < (passed / 1000) * perSecond; done += 1) act();
      if (passed < seconds * 1000) return;
      clearInterval(timer);
      resolve(done);
    }, 5);
  });
}

/** The value that so large a share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
