/** The exit code of a worker whose consumer or producer was refused: configuration, a missing topic, a fenced id. */
export const REFUSED = 3
