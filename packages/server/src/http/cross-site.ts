import type { MiddlewareHandler } from 'hono';

import { allowsOrigin } from '../access/index.ts';
import { answerProblem, Problem } from './errors.ts';

const harmless: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what a page of a strange origin makes a browser write with the cookies of its user (stores.md §7.1.4). A bearer
 * is not sent by itself, so who has one is whom it stands for; browsers name the origin of every write from elsewhere.
 */
export function refuseCrossSite(listed: readonly string[]): MiddlewareHandler {
  return async ({ req }, next) => {
    const { origin, host } = { origin: req.header('origin'), host: req.header('host') };
    const isAmbient = req.header('authorization') === undefined && !harmless.has(req.method);
    if (!isAmbient || allowsOrigin(listed, { origin, host })) return next();
    const message = 'Pages of this origin may not write here.';
    return answerProblem(new Problem(403, 'forbidden', { reason: 'origin_not_allowed', message }));
  };
}
