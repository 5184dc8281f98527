/** An input of a machine as its driver makes it: without what the machine is told of the time. */
export type Wish<Input, Time extends PropertyKey> = Input extends unknown
  ? Omit<Input, Time>
  : never;
