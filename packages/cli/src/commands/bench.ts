import { type Client, createClient, type Store } from '@holdfast/client';
import { askWho } from '../api.ts';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, type Endpoint, endpointOf } from '../endpoint.ts';
import { Progress } from '../progress.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { readDuration, readInteger } from '../values.ts';

const place = 'holdfast-bench';
const shownMs = 250;

export const command: Command = defineCommand({
  summary: 'Measure from here how fast a server commits and delivers.',
  args: {
    store: storeArg,
    writers: {
      type: 'string',
      valueHint: 'N',
      default: '8',
      description: 'Clients that write, each one write after the other',
    },
    readers: { type: 'string', valueHint: 'N', default: '8', description: 'Clients that watch' },
    for: { type: 'string', valueHint: 'DURATION', default: '10s', description: 'For so long' },
    ...connectionArgs,
  },
  examples: ['holdfast bench demo/main --writers 50 --for 30s'],
  async run(args, around) {
    const ms = readDuration(args.for, '--for');
    const course: Course = {
      store: readStoreName(args.store),
      endpoint: endpointOf(args, around.terminal),
      writers: readInteger(args.writers, '--writers', { min: 1, max: 1000 }),
      readers: readInteger(args.readers, '--readers', { max: 1000 }),
      ms,
    };
    await askWho(course.endpoint);
    const progress = new Progress(around, { label: 'measuring', total: Math.round(ms / 1000) });
    const { commits, deliveries } = await measure(course, (done) => progress.show(done));
    const rows = [
      figureOf('commit', commits, ms),
      ...(course.readers > 0 ? [figureOf('delivery', deliveries, ms)] : []),
    ];
    around.output.table(rows, [
      { title: 'WHAT', cell: ({ what }) => what },
      { title: 'COUNT', cell: ({ count }) => String(count), align: 'right' },
      { title: 'PER SECOND', cell: (row) => String(row.per_second), align: 'right' },
      { title: 'P50 MS', cell: (row) => row.p50_ms.toFixed(1), align: 'right' },
      { title: 'P99 MS', cell: (row) => row.p99_ms.toFixed(1), align: 'right' },
      { title: 'MAX MS', cell: (row) => row.max_ms.toFixed(1), align: 'right' },
    ]);
    around.output.note(
      'Commit: from a write to its seq. Delivery: from a write to a callback elsewhere.',
    );
  },
});

type Course = {
  readonly store: string;
  readonly endpoint: Endpoint;
  readonly writers: number;
  readonly readers: number;
  readonly ms: number;
};

type Measured = { readonly commits: number[]; readonly deliveries: number[] };

async function measure(course: Course, tell: (seconds: number) => void): Promise<Measured> {
  const { store, endpoint, ms } = course;
  const measured: Measured = { commits: [], deliveries: [] };
  const clients: Client[] = [];
  let timer: NodeJS.Timeout | undefined;
  const open = (scope: readonly string[]): Store => {
    const client = createClient({ url: endpoint.url, token: endpoint.token });
    clients.push(client);
    return client.store(store, { scope });
  };
  const times = (count: number, scope: readonly string[]): Store[] =>
    Array.from({ length: count }, () => open(scope));
  try {
    const readers = times(course.readers, [`${place}/**`]);
    await Promise.all(readers.map((reader) => reader.ready));
    for (const reader of readers) {
      reader.on(`${place}/*`, ({ value }) => {
        if (typeof value === 'number') measured.deliveries.push(performance.now() - value);
      });
    }
    const writers = times(course.writers, []);
    await Promise.all(writers.map((writer) => writer.ready));
    const since = performance.now();
    timer = setInterval(
      () => tell(Math.floor(Math.min(ms, performance.now() - since) / 1000)),
      shownMs,
    );
    await Promise.all(
      writers.map((writer, index) => write(writer, { index, until: since + ms, measured })),
    );
    clearInterval(timer);
    tell(Math.round(ms / 1000));
    await writers[0]?.delete(place).committed;
  } finally {
    // Also where a write was refused: it would keep the process for as long as somebody lets it.
    clearInterval(timer);
    await Promise.all(clients.map((client) => client.close()));
  }
  return measured;
}

async function write(
  store: Store,
  { index, until, measured }: { index: number; until: number; measured: Measured },
): Promise<void> {
  for (let at = performance.now(); at < until; at = performance.now()) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other is what is measured
    await store.put(`${place}/${index}`, at).committed;
    measured.commits.push(performance.now() - at);
  }
}

function figureOf(what: string, measured: readonly number[], ms: number): Figure {
  const sorted = measured.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 100,
    ) / 100;
  return {
    what,
    count: sorted.length,
    per_second: Math.round((sorted.length * 1000) / ms),
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    max_ms: at(1),
  };
}

type Figure = {
  readonly what: string;
  readonly count: number;
  readonly per_second: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
};
