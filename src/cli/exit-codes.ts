/** What the command exits with. Scripts depend on it: never change one. */
export const EXIT = {
  fine: 0,
  /** Something does not hold, or could not be done. */
  broken: 1,
  /** The call or the configuration is wrong: the same call never succeeds. */
  badCall: 2,
  /** Stopped by a signal; 128 and the number of SIGINT, as shells have it. */
  stopped: 130,
} as const
