/** The oldest protocol generation that is spoken (stores.md, opening). */
export const CAPVER_MIN = 3;

/** The newest protocol generation, Holdfast's own. */
export const CAPVER = 4;

/**
 * Stands for the words of the protocol: events, ops, types, reasons, generations. A test computes it, so no word changes
 * without somebody noticing that peers of another version exist.
 */
export const PROTOCOL_FINGERPRINT = 1_374_461_749_418_307;
