import type { Principal } from '../access/index.ts';

/** What an app says about its world, once: who its principals are, and what its stores hold (views.md §11.1). */
export type Env = {
  /** What the authenticator adds to every principal. */
  readonly principal?: object;
  /** What is at the first level of each store, by the name of the store. */
  readonly stores?: object;
};

/** Who is connected, as an app knows them. */
export type PrincipalOf<E extends Env> = E extends { readonly principal: infer Added }
  ? Principal & Added
  : Principal;

/** The shapes of an app's stores; of those it says nothing about, everything is unknown. */
export type StoresOf<E extends Env> = E extends { readonly stores: infer Stores }
  ? Stores
  : { readonly [name: string]: unknown };

/** A value, now or later. */
export type Soon<T> = T | Promise<T>;

/** Ends what it was returned by: a timer, a watch. */
export type Cancel = () => void;

/** A mutable copy of plain data for the time of an update. */
export type Draft<Value> = unknown extends Value
  ? Value
  : { -readonly [Key in keyof Value]: Draft<Value[Key]> };
