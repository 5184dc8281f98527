import { checkMembers, type Rule } from './members.ts';
import { isAsyncSchema, isSchema, type StandardSchema } from './schema.ts';
import { fillTemplate, isTemplate, paramOf, storeOf, type TemplateParams } from './template.ts';

/** What people are to each other on a kind of topic (records.md §16); made by {@link presence}. */
export type PresenceDefinition<State> = {
  readonly kind: 'presence';
  readonly name: string;
  /** A name or a template of one, such as `acme/:board`. */
  readonly store: string;
  /** A path template, such as `rooms/:id`. */
  readonly topic: string;
  /** The gate that states pass, both ways. */
  readonly schema: StandardSchema<State>;
  /** Milliseconds between two states that are sent. */
  readonly throttle: number;
};

/** Declares a kind of presence topic. Throws a `TypeError` for what cannot be one. */
export function presence<State>(of: {
  readonly name: string;
  readonly store: string;
  readonly topic: string;
  readonly schema: StandardSchema<State>;
  /** Default: 50, which is also the least that the server takes over. */
  readonly throttle?: number;
}): PresenceDefinition<State> {
  checkMembers('presence', of, rules);
  const { name, store, topic, schema, throttle = 50 } = of;
  if (!(throttle >= 0 && throttle <= 60_000)) {
    throw new RangeError('presence: "throttle" must be milliseconds, at most a minute.');
  }
  return Object.freeze({ kind: 'presence', name, store, topic, schema, throttle });
}

const rules: { readonly [member: string]: Rule } = {
  name: [(name) => typeof name === 'string' && name !== '', 'a non-empty string'],
  store: [
    (store) => isTemplate(store) && storeOf(store, () => 'x') !== null,
    'a store name like org/name, or a template like "org/:name"',
  ],
  topic: [isTemplate, 'a template like "rooms/:id"'],
  schema: [
    (schema) => isSchema(schema) && !isAsyncSchema(schema),
    'a Standard Schema that is not asynchronous',
  ],
};

/** The topic of a definition, as the wire knows it: `presence:<store>:<path>` (stores.md §10.8.1). */
export function presenceTopic(
  { store, topic }: { readonly store: string; readonly topic: string },
  params: TemplateParams,
): string {
  const at = storeOf(store, (each) => paramOf(params, each));
  if (at === null) throw new TypeError(`"${store}": no name of a store comes of it.`);
  return `presence:${at}:${fillTemplate(topic, params)}`;
}
