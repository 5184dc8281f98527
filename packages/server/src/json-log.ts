import { pino } from 'pino';
import { redactedLog } from './access/index.ts';
import type { ServerLog } from './server-options.ts';

/** The least that is logged. */
export type LogLevel = 'info' | 'error' | 'silent';

/**
 * A log of JSON lines by pino: `time`, `level`, `message` and the details. No token gets into it, wherever it may stand in
 * an error or a URL (stores.md S10).
 */
export function jsonLog(write: (line: string) => void, level: LogLevel = 'info'): ServerLog {
  return pino(
    {
      ...redactedLog,
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: asObject },
    },
    { write },
  );
}

/** What failed, as an object also where it is told in words: who indexes the lines has one type for each field. */
function asObject(failed: unknown): unknown {
  if (typeof failed === 'string') return { message: failed };
  return failed instanceof Error ? pino.stdSerializers.err(failed) : failed;
}
