// Loaded before anything else, with the name of a bug in OLD_BUG: brings it back.
import { registerHooks } from 'node:module';
import { oldBugs } from './bugs.ts';

const name = process.env['OLD_BUG'] ?? '';
const bug = oldBugs[name];
if (bug === undefined) throw new TypeError(`There is no switch for "${name}".`);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(bug.file)) return loaded;
    const { source } = loaded;
    const text =
      typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined);
    const [before, after, ...more] = text.split(bug.now);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`${bug.file} does not say "${bug.now}" once: the switch has lost its place.`);
    }
    return { ...loaded, source: `${before}${bug.was}${after}` };
  },
});
