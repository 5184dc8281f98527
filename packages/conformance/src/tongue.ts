/** The dialect and the format in which a check is held. */
export type Tongue = {
  readonly capver: 3 | 4;
  readonly format: 'json' | 'messagepack';
};
