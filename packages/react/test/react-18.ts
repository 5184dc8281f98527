import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/*
 * From here on whoever asks for React gets 18.2, with the renderer that belongs to it; to be imported before anything else
 * asks. It stands in `tools/react-18`, a workspace of its own, since there is one React beside a renderer.
 */
const place = fileURLToPath(new URL('../../../tools/react-18/node_modules/', import.meta.url));
const asked = /\/node_modules\/(react|react-dom)\/(.*)$/;

registerHooks({
  resolve: (specifier, context, next) => {
    const found = next(specifier, context);
    const [, name, rest] = asked.exec(found.url) ?? [];
    if (name === undefined || rest === undefined || found.url.includes('/react-18/')) return found;
    return { ...found, url: pathToFileURL(`${place}${name}/${rest}`).href };
  },
});
