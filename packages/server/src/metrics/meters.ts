import { Counter, type Family, Gauge, Histogram, type Reading, Tally } from './instruments.ts';
import { Lag } from './lag.ts';

/** Where a refusal was given. */
export type Surface = 'push' | 'join' | 'upgrade' | 'http';

/** Everything that a server counts; what it looks up at a scrape is added by {@link Meters.gauge} (stores.md §19.2). */
export class Meters {
  readonly commits: Counter = new Counter('holdfast_commits_total', 'Commits stored and told.');
  readonly ops: Tally = new Tally('holdfast_ops_total', 'Ops in commits, by op.', ['op']);
  readonly refusals: Tally = new Tally(
    'holdfast_refusals_total',
    'Refusals by reason, and by where they were given.',
    ['reason', 'surface'],
  );
  readonly dedupeHits: Counter = new Counter(
    'holdfast_dedupe_hits_total',
    'Writes that were answered as repeats of committed ones.',
  );
  readonly commitTime: Histogram = new Histogram(
    'holdfast_commit_seconds',
    'From taking a write to its answer, for writes that committed.',
  );
  readonly appendTime: Histogram = new Histogram(
    'holdfast_append_seconds',
    'Appends of commits to the storage.',
  );
  readonly fanoutTime: Histogram = new Histogram(
    'holdfast_fanout_seconds',
    'From a commit that is stored to its events being written to every live socket.',
  );
  readonly deliveryTime: Histogram = new Histogram(
    'holdfast_delivery_seconds',
    'From a commit that is stored to a client saying that it has applied it, for clients that say so.',
  );
  readonly catchUps: Tally = new Tally(
    'holdfast_catch_ups_total',
    'Joins by how the client is brought to the present, and why it takes a snapshot.',
    ['kind', 'why'],
  );
  readonly lagging: Counter = new Counter(
    'holdfast_lagging_total',
    'Times that a live channel fell back to the log, for its socket was too slow or the commit too large.',
  );
  readonly upgrades: Tally = new Tally('holdfast_upgrades_total', 'WebSocket upgrades by result.', [
    'result',
  ]);
  readonly sentBytes: Counter = new Counter(
    'holdfast_sent_bytes_total',
    'Bytes of frames written to sockets.',
  );
  readonly receivedFrames: Counter = new Counter(
    'holdfast_received_frames_total',
    'Frames that sockets brought.',
  );
  readonly requests: Tally = new Tally(
    'holdfast_http_requests_total',
    'HTTP requests by method, route and status.',
    ['method', 'route', 'status'],
  );
  readonly requestTime: Histogram = new Histogram(
    'holdfast_http_request_seconds',
    'From an HTTP request to the head of its answer.',
  );
  readonly compactedOps: Counter = new Counter(
    'holdfast_compacted_ops_total',
    'Ops that compaction took out of the log.',
  );
  readonly compactionTime: Histogram = new Histogram(
    'holdfast_compaction_step_seconds',
    'Steps of compaction: the longest that a write waits for it.',
  );
  readonly fileWrittenBytes: Counter = new Counter(
    'holdfast_file_written_bytes_total',
    'Bytes of files that were written to where they are kept.',
  );
  readonly fileReadBytes: Counter = new Counter(
    'holdfast_file_read_bytes_total',
    'Bytes of files that were read from where they are kept.',
  );
  readonly filesDeleted: Counter = new Counter(
    'holdfast_files_deleted_total',
    'Blobs and abandoned uploads that were deleted.',
  );
  readonly errors: Counter = new Counter(
    'holdfast_errors_total',
    'What failed inside and went to the log.',
  );
  readonly webhookAttempts: Tally = new Tally(
    'holdfast_webhook_attempts_total',
    'Attempts to deliver to webhooks by result, and how often one was given up after its last.',
    ['result'],
  );
  readonly slowCommits: Counter = new Counter(
    'holdfast_slow_commits_total',
    'Commits that took longer than the threshold of the slow-commit log.',
  );
  readonly lag: Lag = new Lag();
  readonly #gauges: Gauge[] = [];

  /** Adds a number that is looked up at each scrape. */
  gauge(
    name: string,
    help: string,
    how: { readonly read: () => Reading; readonly label?: string; readonly kind?: 'counter' },
  ): void {
    this.#gauges.push(new Gauge(name, help, how));
  }

  families(): readonly Family[] {
    const own = Object.values(this).filter((each) => isFamily(each));
    return [...own, ...this.#gauges];
  }
}

function isFamily(field: unknown): field is Counter | Tally | Histogram {
  return field instanceof Counter || field instanceof Tally || field instanceof Histogram;
}
