import { WebSocket } from 'ws';
import type { Testimony } from '../history/testimony.ts';
import { writerTestimony } from '../history/wire.ts';
import { topic } from './join-reply.ts';

export { topic };

/** The path and query of a socket of ours. */
export function mount(device: string): string {
  return `/ws/sync/websocket?token=bench&device_id=${device}&capver=4&vsn=2.0.0`;
}

const WRITE = '["1","w';
const SEQ = '"store_seq":';

/** A client that keeps a number of writes in flight. */
export class Writer {
  readonly #socket: WebSocket;
  readonly #device: string;
  readonly #value: string;
  #sent = 0;
  /** Which write each reply is of, and its seq: numbers alone, for to keep the texts costs the load process time. */
  readonly #answered: number[] = [];
  readonly #seqs: number[] = [];
  acknowledged = 0;
  onAcknowledged: () => void = () => undefined;

  private constructor(socket: WebSocket, device: string, value: string) {
    this.#socket = socket;
    this.#device = device;
    this.#value = value;
  }

  /** Joins without patterns, so that nothing but replies comes back. */
  static open(port: number, device: string, valueBytes: number): Promise<Writer> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${mount(device)}`);
    const writer = new Writer(socket, device, 'v'.repeat(valueBytes));
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('open', () => {
        socket.send(`["1","1","${topic}","phx_join",{"last_store_seq":0,"patterns":[]}]`);
      });
      socket.on('message', (data: Buffer) => {
        const text = data.toString('latin1');
        if (text.includes('catch_up_complete')) resolve(writer);
        else if (text.startsWith(WRITE)) writer.#replied(text);
      });
    });
  }

  /** Sends one write of a leaf that is one of a few hundred. */
  write(value: string = this.#value): void {
    this.#sent += 1;
    const path = `${this.#device}/p${this.#sent % 500}`;
    this.#socket.send(
      `["1","w${this.#sent}","${topic}","write",{"op":"set","path":"${path}","value":"${value}",` +
        `"client_op_id":"${this.#device}:s:${this.#sent}"}]`,
    );
  }

  /** Writes an object and waits for the answer. */
  put(path: string, value: object): Promise<void> {
    this.#sent += 1;
    const payload = { op: 'set', path, value, client_op_id: `${this.#device}:s:${this.#sent}` };
    this.#socket.send(JSON.stringify(['1', `w${this.#sent}`, topic, 'write', payload]));
    return new Promise((resolve) => (this.onAcknowledged = resolve));
  }

  /** What it wrote, and was told of it. */
  testimony(): Testimony {
    return writerTestimony(this.#device, this.#sent, { writes: this.#answered, seqs: this.#seqs });
  }

  close(): void {
    this.#socket.terminate();
  }

  #replied(text: string): void {
    if (!text.includes('"status":"ok"')) throw new Error(`a write was refused: ${text}`);
    this.#answered.push(Number.parseInt(text.slice(WRITE.length), 10));
    this.#seqs.push(Number.parseInt(text.slice(text.lastIndexOf(SEQ) + SEQ.length), 10));
    this.acknowledged += 1;
    this.onAcknowledged();
  }
}
