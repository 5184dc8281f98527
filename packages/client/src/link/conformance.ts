import type { Link, LinkConnection } from './port.ts';

/** The far end of a connection in a trial. */
export interface LinkPeer {
  send(data: string | Uint8Array): void;
  close(code: number): void;
  /** The next message that came, in order; waits for it. */
  receive(): Promise<string | Uint8Array>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
}

/** The driver under test with a server for it, for one case. */
export type LinkSubject = {
  readonly link: Link;
  readonly url: string;
  /** Takes the next connection. */
  accept(): Promise<LinkPeer>;
  /** Has connections fail from now on; absent where the driver cannot know of it. */
  readonly refuseAll?: () => void | Promise<void>;
  /** Whether bytes can be carried. */
  readonly carriesBytes: boolean;
  /** A text that the driver carries; texts of the numbered kind are told apart by the law. */
  readonly text: (n: number) => string;
  end(): Promise<void>;
};

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type LinkCase = { readonly name: string; readonly run: () => Promise<void> };

type Event =
  | { readonly is: 'opened' }
  | { readonly is: 'received'; readonly data: string | Uint8Array }
  | { readonly is: 'closed'; readonly code: number };

type Trial = {
  readonly subject: LinkSubject;
  readonly open: () => Recorder;
};

/** Opens a connection, and writes down what it tells. */
class Recorder {
  readonly events: Event[] = [];
  readonly connection: LinkConnection;
  #isInside = true;
  #waiting: { readonly until: () => boolean; readonly done: () => void }[] = [];

  constructor({ link, url }: LinkSubject) {
    this.connection = link.open(url, {
      opened: () => this.#add({ is: 'opened' }),
      received: (data) => this.#add({ is: 'received', data }),
      closed: (code) => this.#add({ is: 'closed', code }),
    });
    this.#isInside = false;
  }

  /** Calls the connection; an event inside the call breaks the law. */
  call(deed: (connection: LinkConnection) => void): void {
    this.#isInside = true;
    deed(this.connection);
    this.#isInside = false;
  }

  count(is: Event['is']): number {
    return this.events.filter((event) => event.is === is).length;
  }

  get received(): readonly (string | Uint8Array)[] {
    return this.events.flatMap((event) => (event.is === 'received' ? [event.data] : []));
  }

  until(is: Event['is'], times = 1): Promise<void> {
    const until = (): boolean => this.count(is) >= times;
    if (until()) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ until, done }));
  }

  #add(event: Event): void {
    insist(!this.#isInside, `${event.is} came inside the call that caused it`);
    this.events.push(event);
    const ready = this.#waiting.filter(({ until }) => until());
    this.#waiting = this.#waiting.filter((each) => !ready.includes(each));
    for (const { done } of ready) done();
  }
}

const cases: readonly { readonly name: string; readonly run: (trial: Trial) => Promise<void> }[] = [
  {
    name: 'a connection opens once, and texts go both ways in order',
    async run({ subject, open }) {
      const { text } = subject;
      const line = open();
      const peer = await subject.accept();
      await line.until('opened');
      for (const n of [1, 2, 3]) line.call((connection) => connection.send(text(n)));
      for (const n of [1, 2, 3]) {
        insist((await peer.receive()) === text(n), 'the peer got another text, or another order');
      }
      for (const n of [4, 5, 6]) peer.send(text(n));
      await line.until('received', 3);
      insist(
        line.received.every((data, index) => data === text(index + 4)),
        'another text came, or another order',
      );
      insist(line.count('opened') === 1, 'it opened more than once');
    },
  },
  {
    name: 'bytes stay bytes, none of them and many of them too',
    async run({ subject, open }) {
      if (!subject.carriesBytes) return;
      const sizes = [0, 1, 100_000];
      const line = open();
      const peer = await subject.accept();
      await line.until('opened');
      for (const size of sizes) {
        line.call((connection) => connection.send(new Uint8Array(size).fill(200)));
        insist(isFilled(await peer.receive(), size), `the peer got other than ${size} bytes`);
        peer.send(new Uint8Array(size).fill(200));
      }
      await line.until('received', sizes.length);
      insist(
        line.received.every((data, index) => isFilled(data, sizes[index] ?? -1)),
        'other bytes came',
      );
    },
  },
  {
    name: 'what is sent before it opens, or after its end, is ignored',
    async run({ subject, open }) {
      const line = open();
      line.call((connection) => connection.send(subject.text(1)));
      const peer = await subject.accept();
      await line.until('opened');
      line.call((connection) => connection.send(subject.text(2)));
      insist((await peer.receive()) === subject.text(2), 'what was sent too early arrived');
      line.call((connection) => connection.close());
      line.call((connection) => connection.send(subject.text(3)));
      await line.until('closed');
    },
  },
  {
    name: 'after close nothing is received, and closed is told once, soon',
    async run({ subject, open }) {
      const line = open();
      const peer = await subject.accept();
      await line.until('opened');
      line.call((connection) => connection.send(subject.text(0)));
      await peer.receive();
      peer.send(subject.text(1));
      line.call((connection) => connection.close());
      const received = line.received.length;
      line.call((connection) => connection.close());
      await line.until('closed');
      await peer.closed;
      insist(line.received.length === received, 'something came after close');
      insist(line.count('closed') === 1, 'closed was told more than once');
      insist(line.events.at(-1)?.is === 'closed', 'something came after closed');
    },
  },
  {
    name: 'a connection that is closed before it opens never opens',
    async run({ open }) {
      const line = open();
      line.call((connection) => connection.close());
      await line.until('closed');
      insist(line.count('opened') === 0, 'it opened');
    },
  },
  {
    name: 'the end that the peer causes is told with its code',
    async run({ subject, open }) {
      const line = open();
      const peer = await subject.accept();
      await line.until('opened');
      peer.send(subject.text(1));
      peer.close(4001);
      await line.until('closed');
      insist(line.received.length === 1, 'what was sent before the end was lost');
      const end = line.events.at(-1);
      insist(end?.is === 'closed' && end.code === 4001, 'the code is another one');
    },
  },
  {
    name: 'a connection that cannot be opened closes with 1006',
    async run({ subject, open }) {
      if (subject.refuseAll === undefined) return;
      await subject.refuseAll();
      const line = open();
      await line.until('closed');
      insist(line.count('opened') === 0, 'it opened');
      const end = line.events.at(-1);
      insist(end?.is === 'closed' && end.code === 1006, 'the code is another one');
    },
  },
];

/**
 * The law of the link port: what every driver must do, for any test runner. Give it a way to make the driver with a server
 * for it, and make each case a test.
 */
export function linkConformance(begin: () => Promise<LinkSubject>): readonly LinkCase[] {
  return cases.map(({ name, run }) => ({
    name,
    async run() {
      const subject = await begin();
      const lines: Recorder[] = [];
      try {
        await run({
          subject,
          open() {
            const line = new Recorder(subject);
            lines.push(line);
            return line;
          },
        });
      } finally {
        for (const { connection } of lines) connection.close();
        await subject.end();
      }
    },
  }));
}

function isFilled(data: string | Uint8Array, size: number): boolean {
  return typeof data !== 'string' && data.length === size && data.every((byte) => byte === 200);
}

function insist(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}
