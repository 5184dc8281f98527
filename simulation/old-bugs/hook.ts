// Loaded before anything else, with the name of a bug in OLD_BUG: brings it back, unless BESIDE asks for what is beside it alone.
import { registerHooks } from 'node:module';
import { oldBugs } from './bugs.ts';

const name = process.env['OLD_BUG'] ?? '';
const bug = oldBugs[name];
if (bug === undefined) throw new TypeError(`There is no switch for "${name}".`);

const { beside } = bug;
const edits = [
  ...(process.env['BESIDE'] === undefined ? [bug] : []),
  ...(beside === undefined ? [] : [beside]),
];

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const edit = edits.find(({ file }) => url.endsWith(file));
    if (edit === undefined) return loaded;
    const { source } = loaded;
    const text =
      typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined);
    const [before, after, ...more] = text.split(edit.now);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(
        `${edit.file} does not say "${edit.now}" once: the switch has lost its place.`,
      );
    }
    return { ...loaded, source: `${before}${edit.was}${after}` };
  },
});
