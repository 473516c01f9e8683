/**
 * A named seam at an await that matters. Does nothing in production; a crash test or simulator may end the process there, wait,
 * or throw. Names are `area:step`, for example `park:acknowledged`.
 */
export type Failpoint = (name: string) => void | Promise<void>

/** The failpoint of production: nothing. */
export const noFailpoint: Failpoint = () => {}
