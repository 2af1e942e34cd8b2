/**
 * Mutants that nobody can see: `mutants.mjs` does not count them. Each by its file, the line as it is written, what is
 * replaced there and by what; and why nobody can.
 */
export const SAME_FOR_EVERYBODY = []
