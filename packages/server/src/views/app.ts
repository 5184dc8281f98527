import type { App, RecordDef } from '@holdfast/protocol';
import type { View, ViewTypes } from './view.ts';

/** An app as a server runs it: the views that clients may mount, the records they may use (views.md §11.1). */
export type AppDefinition<
  Views extends readonly View[] = readonly View[],
  Records extends readonly RecordDef[] = readonly RecordDef[],
> = App<ViewsByName<Views>, RecordsByName<Records>> & {
  readonly views: Views;
  readonly records: Records;
};

type ViewsByName<Views extends readonly View[]> = {
  readonly [V in Views[number] as V['name']]: ViewTypes<V>;
};
type RecordsByName<Records extends readonly RecordDef[]> = {
  readonly [R in Records[number] as R['name']]: R;
};

/** Puts an app together: plain data. Throws a `TypeError` where two views or two records have one name. */
export function app<
  const Views extends readonly View[] = readonly [],
  const Records extends readonly RecordDef[] = readonly [],
>(parts: { readonly views?: Views; readonly records?: Records }): AppDefinition<Views, Records> {
  const { views = [], records = [] } = parts;
  assertDistinct('views', views);
  assertDistinct('records', records);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is not given is the empty list, as its type says
  return Object.freeze({ views, records }) as AppDefinition<Views, Records>;
}

function assertDistinct(what: string, parts: readonly { readonly name: string }[]): void {
  const names = new Set<string>();
  for (const { name } of parts) {
    if (names.has(name)) throw new TypeError(`app: two of "${what}" have the name "${name}".`);
    names.add(name);
  }
}
