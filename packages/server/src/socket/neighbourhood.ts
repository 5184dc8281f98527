import { type Placed, Places } from '@holdfast/engine/gate';
import { type Path, segmentsOf } from '@holdfast/protocol';

/** So many paths are remembered with what is near them: more than one commit has, as a rule. */
const NEAR_MAX = 500;

/** An object at a path or above it, and the field of it that the path is in; undefined: the object itself. */
export type Near = Pick<Placed<null>, 'path' | 'params'> & { readonly field: string | undefined };

/** Which objects of a template are near a path. It is asked about the same paths for each query, so it is looked up once. */
export class Neighbourhood {
  readonly #places: Places<null>;
  readonly #known = new Map<Path, readonly Near[]>();

  constructor(template: string) {
    this.#places = new Places([{ template, item: null }]);
  }

  of(path: Path): readonly Near[] {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const segments = segmentsOf(path);
    const found = this.#places.around(path).map(({ path: object, params }) => ({
      path: object,
      params,
      field: segments[segmentsOf(object).length],
    }));
    if (this.#known.size === NEAR_MAX) this.#known.clear();
    this.#known.set(path, found);
    return found;
  }
}
