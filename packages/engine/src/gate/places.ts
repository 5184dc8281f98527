import { asPath, type Path, type TemplateParams, unescapeSegment } from '@holdfast/protocol';

type Place<T> = { readonly parts: readonly string[]; readonly item: T };

/** Something that has its place at a path, and what its template took from there. */
export type Placed<T> = { readonly item: T; readonly path: Path; readonly params: TemplateParams };

/** What has its place where, by templates such as `users/:id`. */
export class Places<T> {
  readonly #places: readonly Place<T>[];

  constructor(places: readonly { readonly template: string; readonly item: T }[]) {
    this.#places = places.map(({ template, item }) => ({ parts: template.split('/'), item }));
  }

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  /** All that has its place at a path or above it. */
  around(path: Path): readonly Placed<T>[] {
    const pieces = path.split('/');
    return this.#places.flatMap(({ parts, item }) => {
      if (parts.length > pieces.length || !parts.every((part, at) => fits(part, pieces[at]))) {
        return [];
      }
      const own = pieces.slice(0, parts.length);
      return { item, path: asPath(own.join('/')), params: paramsOf(parts, own) };
    });
  }

  /** Whether something may have its place below a path. */
  lieBelow(path: Path): boolean {
    const pieces = path.split('/');
    return this.#places.some(
      ({ parts }) =>
        parts.length > pieces.length && pieces.every((piece, at) => fits(parts[at], piece)),
    );
  }
}

function fits(part: string | undefined, piece: string | undefined): boolean {
  return part?.startsWith(':') === true || part === piece;
}

function paramsOf(parts: readonly string[], pieces: readonly string[]): TemplateParams {
  const params: { [name: string]: string } = {};
  for (const [at, part] of parts.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = unescapeSegment(pieces[at] ?? '');
  }
  return params;
}
