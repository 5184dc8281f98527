import { readdirSync, readFileSync, statSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Meters } from './meters.ts';

const RESOLUTION_MS = 10;
const NS_PER_SECOND = 1e9;

/**
 * Adds what the process tells of itself. The lag of the event loop is measured from the first scrape on, and told for the
 * time since the scrape before: who never asks pays nothing. Returns how to end that.
 */
export function meterProcess(meters: Meters): () => void {
  const lag = new LoopLag();
  meters.gauge('holdfast_event_loop_lag_seconds', 'Lag of the event loop since the last scrape.', {
    read: () => lag.read(),
    label: 'quantile',
  });
  meters.gauge('process_resident_memory_bytes', 'Resident memory size.', {
    read: () => asked(() => process.memoryUsage.rss()),
  });
  meters.gauge('holdfast_memory_bytes', 'Memory of the JavaScript engine.', {
    read: () => asked(heap),
  });
  meters.gauge('process_cpu_seconds_total', 'User and system CPU time spent.', {
    read: cpuSeconds,
    kind: 'counter',
  });
  meters.gauge('process_start_time_seconds', 'Start of the process, as Unix time.', {
    read: () => performance.timeOrigin / 1000,
  });
  meters.gauge('process_open_fds', 'Open file descriptors.', { read: () => asked(openFds) });
  // Where all of them are open there is none to ask with, and that is when somebody wants to know.
  let most = asked(maxFds);
  meters.gauge('process_max_fds', 'The most file descriptors that may be open.', {
    read: () => (most = asked(maxFds) ?? most),
  });
  return () => lag.end();
}

class LoopLag {
  #delays: ReturnType<typeof monitorEventLoopDelay> | null = null;
  #ended = false;

  read(): { readonly [quantile: string]: number } | null {
    if (this.#ended) return null;
    if (this.#delays === null) {
      this.#delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      this.#delays.enable();
      return null;
    }
    const delays = this.#delays;
    if (delays.count === 0) return null;
    const lag = {
      '0.5': secondsOf(delays.percentile(50)),
      '0.99': secondsOf(delays.percentile(99)),
      '1': secondsOf(delays.max),
    };
    delays.reset();
    return lag;
  }

  end(): void {
    this.#ended = true;
    this.#delays?.disable();
  }
}

/** What is measured is the time between two timers; what is beyond their period is lag. */
function secondsOf(ns: number): number {
  return Math.max(0, ns / NS_PER_SECOND - RESOLUTION_MS / 1000);
}

function heap(): { readonly [kind: string]: number } {
  const { heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    heap_total: heapTotal,
    heap_used: heapUsed,
    external,
    array_buffers: arrayBuffers,
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What the kernel tells of this process; null where there is no such kernel, or not one descriptor is left to ask it with. */
function asked<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function openFds(): number {
  // Since Linux 6.2 the size is how many there are; before, it is 0, and they have to be listed.
  return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length;
}

function maxFds(): number | null {
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === undefined ? null : Number(soft);
}
